// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Blocks of B for an engine: windows of their masks, and the lines of their weights.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a block's masks come as bitmasks or as index code, and its weights without a gap. An engine wants windows of
// masks, column after column, and lines of weights.
//
// Contract: masks_*, weights_* and code_* take a block, each as soon as it can: the reader of masks, the reader of
// weights, and the decoder (which takes it at once when the layer has bitmasks). s_* are the block's fields and hold
// until all three have it. s_tag numbers blocks. b_*: windows of WINDOW chunks, b_last with the block's last. w_*:
// lines of weights, w_last with the last, none for a block without weights. The first weight is in place s_start of the
// first line, the one after the last in s_stop, which is all ones when s_nnz is more than any block can have. Masks are
// what an engine uses up fastest, so their lines are fetched ahead, by hints. With DEEP windows and lines pass a skid
// buffer.
// Lines: reader 0 is that of masks, reader 1 that of weights.
// Edges: err with err_tag, the block's number: masks that do not end before the weights, or an index code that
// contradicts itself or the number of weights (loas_index_decode). What b_* and w_* say against each other is for the
// engine to see.
module loas_block_source #(
    parameter integer CHUNK_W    = 128,
    parameter integer WINDOW     = 1,
    parameter integer WEIGHT_W   = 8,
    parameter integer K_MAX      = 8192,
    parameter integer DEEP       = 0,
    parameter integer LINE_W     = 1024,  // four line buffers of this width, with DEEP six
    parameter integer INDEX_RATE = 4,     // index code: bytes decoded a cycle; 0: bitmasks only
    // counts the weights of a block, from the start of its first line, and one bit more
    parameter integer POS_W      = 25
) (
    input  wire                               clk,
    input  wire                               rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    input  wire                               cfg_index,

    // blocks
    input  wire                               masks_valid,
    output wire                               masks_ready,
    input  wire                               weights_valid,
    output wire                               weights_ready,
    input  wire                               code_valid,
    output wire                               code_ready,
    input  wire [31:0]                        s_masks,
    input  wire [31:0]                        s_weights,
    input  wire [31:0]                        s_nnz,
    input  wire [10:0]                        s_cols,
    input  wire [1:0]                         s_tag,
    output wire [POS_W-1:0]                   s_start,
    output wire [POS_W-1:0]                   s_stop,

    // lines
    output wire [1:0]                         rd_valid,
    input  wire [1:0]                         rd_ready,
    output wire [63:0]                        rd_addr,
    input  wire [1:0]                         rsp_valid,
    input  wire [LINE_W-1:0]                  rsp_data,
    output wire                               hint_valid,
    input  wire                               hint_ready,
    output wire [31:0]                        hint_addr,

    output wire                               b_valid,
    input  wire                               b_ready,
    output wire [WINDOW*CHUNK_W-1:0]          b_data,
    output wire                               b_last,

    output wire                               w_valid,
    input  wire                               w_ready,
    output wire [LINE_W-1:0]                  w_data,
    output wire                               w_last,

    output wire                               err,
    output wire [1:0]                         err_tag
);

    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);
    localparam integer WIN_W    = $clog2(K_MAX / WIDE + 1);
    localparam integer WINDOW_LAST = WINDOW - 1;
    localparam integer LINE_B   = $clog2(LINE_W / 8);
    localparam integer NIBBLE   = WEIGHT_W <= 4 ? 1 : 0;   // two weights a byte

    reg index_reg;           // decides much, so it is kept here
    always @(posedge clk) index_reg <= cfg_index;

    // --------------------------------------------------------------------------------------------------------- weights
    wire [31:0] nnz_bytes = NIBBLE != 0 ? (s_nnz >> 1) + {31'd0, s_nnz[0]} : s_nnz;
    wire        huge      = s_nnz[31:POS_W-1] != {(33-POS_W){1'b0}};

    assign s_start = {{(POS_W-LINE_B-NIBBLE){1'b0}}, s_weights[LINE_B-1:0], {NIBBLE{1'b0}}};
    assign s_stop  = huge ? {POS_W{1'b1}} : s_start + s_nnz[POS_W-1:0];

    wire              line_valid, line_ready, line_last, unused_fetch;
    wire [LINE_W-1:0] line_data;
    wire [31:0]       unused_fetch_addr;

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(LINE_W), .LINES(2)) weights_inst (
        .clk(clk), .rst(rst),
        .s_valid(weights_valid), .s_ready(weights_ready), .s_addr(s_weights), .s_end(s_weights + nnz_bytes),
        .req_valid(rd_valid[1]), .req_ready(rd_ready[1]), .req_addr(rd_addr[63:32]),
        .fetch_valid(unused_fetch), .fetch_ready(1'b0), .fetch_addr(unused_fetch_addr),
        .rsp_valid(rsp_valid[1]), .rsp_data(rsp_data),
        .m_valid(line_valid), .m_ready(line_ready), .m_data(line_data), .m_last(line_last)
    );

    loas_cut #(.W(LINE_W + 1), .CUT(DEEP)) line_cut_inst (
        .clk(clk), .rst(rst), .s_valid(line_valid), .s_ready(line_ready), .s_data({line_last, line_data}),
        .m_valid(w_valid), .m_ready(w_ready), .m_data({w_last, w_data})
    );

    // ---------------------------------------------------------------------------------------- masks, or chunks of code
    wire               item_valid, item_ready, item_last;
    wire [CHUNK_W-1:0] item_data;
    wire               plain_valid, plain_ready, plain_last;
    wire [WIDE-1:0]    plain_data;
    wire               win_valid, win_ready, win_last;
    wire [WIDE-1:0]    win_data;

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(CHUNK_W), .LINES(2), .AHEAD(4)) masks_inst (
        .clk(clk), .rst(rst),
        .s_valid(masks_valid), .s_ready(masks_ready), .s_addr(s_masks), .s_end(s_weights),
        .req_valid(rd_valid[0]), .req_ready(rd_ready[0]), .req_addr(rd_addr[31:0]),
        .fetch_valid(hint_valid), .fetch_ready(hint_ready), .fetch_addr(hint_addr),
        .rsp_valid(rsp_valid[0]), .rsp_data(rsp_data),
        .m_valid(item_valid), .m_ready(item_ready), .m_data(item_data), .m_last(item_last)
    );

    loas_gather #(.CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .CHUNKS_W(CHUNKS_W)) gather_inst (
        .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks),
        .s_valid(item_valid && !index_reg), .s_ready(plain_ready), .s_data(item_data), .s_last(item_last),
        .m_valid(plain_valid), .m_ready(win_ready), .m_data(plain_data), .m_last(plain_last)
    );

    wire       masks_bad = masks_valid && (s_masks > s_weights || (s_masks == s_weights && !index_reg));
    wire       code_bad;
    wire [1:0] code_tag;

    assign err     = masks_bad || code_bad;
    assign err_tag = code_bad ? code_tag : s_tag;

    generate
        if (INDEX_RATE != 0) begin : gen_index
            wire              decoder_ready, bytes_ready, windows_valid, windows_last;
            wire [WIDE-1:0]   windows_data;
            wire [CHUNKS_W:0] rounded = {1'b0, cfg_chunks} + WINDOW_LAST[CHUNKS_W:0];
            loas_index_decode #(.CHUNK_W(WIDE), .RATE(INDEX_RATE), .ITEM_W(CHUNK_W), .K_MAX(K_MAX)) decode_inst (
                .clk(clk), .rst(rst), .cfg_chunks(rounded[WINDOW_B +: WIN_W]),
                .s_valid(code_valid && index_reg), .s_ready(decoder_ready), .s_cols(s_cols), .s_nnz(s_nnz),
                .s_empty(s_masks == s_weights), .s_tag(s_tag),
                .in_valid(item_valid && index_reg), .in_ready(bytes_ready), .in_data(item_data), .in_last(item_last),
                .m_valid(windows_valid), .m_ready(win_ready), .m_data(windows_data), .m_last(windows_last),
                .err(code_bad), .err_tag(code_tag)
            );
            assign code_ready = decoder_ready || !index_reg;
            assign item_ready = index_reg ? bytes_ready : plain_ready;
            assign win_valid  = index_reg ? windows_valid : plain_valid;
            assign win_data   = index_reg ? windows_data : plain_data;
            assign win_last   = index_reg ? windows_last : plain_last;
            wire unused_rounded = &{1'b0, rounded};
        end else begin : gen_no_index
            assign code_ready = 1'b1;
            assign item_ready = plain_ready;
            assign win_valid  = plain_valid;
            assign win_data   = plain_data;
            assign win_last   = plain_last;
            assign code_bad   = 1'b0;
            assign code_tag   = 2'd0;
            wire unused_code = &{1'b0, code_valid, s_cols};
        end
    endgenerate

    // an engine is ready when its matches are found to be over; with DEEP readers and decoder do not wait for that in
    // the same cycle
    loas_cut #(.W(WIDE + 1), .CUT(DEEP)) mask_cut_inst (
        .clk(clk), .rst(rst), .s_valid(win_valid), .s_ready(win_ready), .s_data({win_last, win_data}),
        .m_valid(b_valid), .m_ready(b_ready), .m_data({b_last, b_data})
    );

endmodule

`resetall
