// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Rows of A for an engine: walks their windows, reads their fibers, and keeps two of them.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: a row of A is the window of an output pixel, in one map or in two. Its fibers lie apart in memory, and each
// column of the block needs the whole row.
//
// Contract: s_* is the window of a row, by the address and the place of its first pixel in the map, and in that of the
// branch. s_ready tells that the walk over the window begins; at most two rows are inside, and `free` (pulse) gives
// back the older one. Row n is in bank n mod 2. What of a row may be read, and how, is in loas_row_buffer. A second
// walk, the scout, runs ahead and names the lines with which the window's pixels begin: hints, of which those not yet
// taken when the first walk ends are dropped. Windows of one pixel give none. With DEEP a hint comes every other cycle
// at most.
// Edges: err with err_addr, the address of a fiber: header and masks of a row disagree, or pixels do not make
// cfg_chunks chunks.
module loas_row_source #(
    parameter integer T       = 4,
    parameter integer CHUNK_W = 128,
    parameter integer SLICE_W = 16,
    parameter integer K_MAX   = 8192,
    parameter integer LAGGY   = 1,
    parameter integer WINDOW  = 1,
    parameter integer DEEP    = 0,
    parameter integer LINE_W  = 1024
) (
    input  wire                                    clk,
    input  wire                                    rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      cfg_chunks,
    input  wire [511:0]                            cfg_walk,
    input  wire [511:0]                            cfg_branch,

    // rows
    input  wire                                    s_valid,
    output wire                                    s_ready,
    input  wire [31:0]                             s_addr,
    input  wire [17:0]                             s_y,
    input  wire [17:0]                             s_x,
    input  wire [31:0]                             s_addr2,
    input  wire [17:0]                             s_y2,
    input  wire [17:0]                             s_x2,
    input  wire                                    free,

    // lines
    output wire                                    rd_valid,
    input  wire                                    rd_ready,
    output wire [31:0]                             rd_addr,
    input  wire                                    rsp_valid,
    input  wire [LINE_W-1:0]                       rsp_data,
    output wire                                    hint_valid,
    input  wire                                    hint_ready,
    output wire [31:0]                             hint_addr,

    // what is there of the two rows
    output wire [1:0]                              complete,
    output wire                                    ld_valid,
    output wire                                    ld_bank,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      ld_masks,
    input  wire                                    mask_rd_en,
    input  wire                                    mask_rd_bank,
    input  wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    output wire [WINDOW*CHUNK_W-1:0]               mask_rd_data,
    input  wire                                    base_rd_en,
    input  wire                                    base_rd_bank,
    input  wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] base_rd_chunk,
    output wire [(LAGGY != 0 ? CHUNK_W/SLICE_W : WINDOW)*$clog2(K_MAX+1)-1:0] base_rd_data,
    input  wire                                    word_rd_en,
    input  wire                                    word_rd_bank,
    input  wire [$clog2(K_MAX+1)-1:0]              word_rd_index,
    output wire [T-1:0]                            word_rd_data,
    output wire [CHUNK_W-1:0]                      word_rd_chunk,

    output wire                                    err,
    output wire [31:0]                             err_addr
);

    localparam integer SLICES_W = $clog2(K_MAX / SLICE_W + 1);

    // the windows of the layer, of either map
    wire [7:0]          kh         = cfg_walk[32*`LOAS_WALK_KERNEL +: 8];
    wire [7:0]          kw         = cfg_walk[32*`LOAS_WALK_KERNEL + 8 +: 8];
    wire [15:0]         in_h       = cfg_walk[32*`LOAS_WALK_IN_SIZE +: 16];
    wire [15:0]         in_w       = cfg_walk[32*`LOAS_WALK_IN_SIZE + 16 +: 16];
    wire [31:0]         pitch      = cfg_walk[32*`LOAS_WALK_PITCH +: 32];
    wire [31:0]         row_bytes  = cfg_walk[32*`LOAS_WALK_ROW_BYTES +: 32];
    wire [SLICES_W-1:0] slices     = cfg_walk[32*`LOAS_WALK_PAD + 16 +: SLICES_W];
    wire                two        = |cfg_walk[32*`LOAS_WALK_BRANCH +: 32];
    wire [7:0]          kh2        = cfg_branch[32*`LOAS_WALK_KERNEL +: 8];
    wire [7:0]          kw2        = cfg_branch[32*`LOAS_WALK_KERNEL + 8 +: 8];
    wire [15:0]         in_h2      = cfg_branch[32*`LOAS_WALK_IN_SIZE +: 16];
    wire [15:0]         in_w2      = cfg_branch[32*`LOAS_WALK_IN_SIZE + 16 +: 16];
    wire [31:0]         pitch2     = cfg_branch[32*`LOAS_WALK_PITCH +: 32];
    wire [31:0]         row_bytes2 = cfg_branch[32*`LOAS_WALK_ROW_BYTES +: 32];
    wire [SLICES_W-1:0] slices2    = cfg_branch[32*`LOAS_WALK_PAD + 16 +: SLICES_W];

    reg many_pixels_reg;          // a window has more than one pixel; decides much, so it is made ahead of the rows
    always @(posedge clk) many_pixels_reg <= {kw, kh} != 16'h0101 || two;

    // --------------------------------------------------------------------------------------------- the walk that reads
    reg  [1:0]          rows_reg;         // rows that have a bank
    wire                room  = rows_reg != 2'd2;
    wire                walk_ready;
    wire                taken = s_valid && s_ready;

    wire                pixel_valid, pixel_ready, pixel_inside, pixel_last;
    wire [31:0]         pixel_addr;
    wire [SLICES_W-1:0] pixel_slices;

    assign s_ready = walk_ready && room;

    always @(posedge clk) begin
        if (taken && !free) rows_reg <= rows_reg + 2'd1;
        if (free && !taken) rows_reg <= rows_reg - 2'd1;
        if (rst) rows_reg <= 2'd0;
    end

    loas_window #(.SLICES_W(SLICES_W)) window_inst (
        .clk(clk), .rst(rst),
        .cfg_kh(kh), .cfg_kw(kw), .cfg_in_h(in_h), .cfg_in_w(in_w),
        .cfg_a_stride(pitch), .cfg_row_bytes(row_bytes), .cfg_slices(slices), .cfg_branch(two),
        .cfg2_kh(kh2), .cfg2_kw(kw2), .cfg2_in_h(in_h2), .cfg2_in_w(in_w2),
        .cfg2_a_stride(pitch2), .cfg2_row_bytes(row_bytes2), .cfg2_slices(slices2),
        .s_valid(s_valid && room), .s_ready(walk_ready),
        .s_addr(s_addr), .s_y(s_y), .s_x(s_x), .s_addr2(s_addr2), .s_y2(s_y2), .s_x2(s_x2),
        .m_valid(pixel_valid), .m_ready(pixel_ready),
        .m_addr(pixel_addr), .m_inside(pixel_inside), .m_slices(pixel_slices), .m_last(pixel_last)
    );

    // ------------------------------------------------------------------------------------------------------- the scout
    wire                scout_end = rst || (pixel_valid && pixel_ready && pixel_last);
    wire                scout_valid, scout_ready, scout_inside, unused_scout_ready, unused_scout_last;
    wire [31:0]         scout_addr;
    wire [SLICES_W-1:0] unused_scout_slices;

    generate
        if (DEEP != 0) begin : gen_hint_cut
            reg        hint_valid_reg;
            reg [31:0] hint_reg;
            assign hint_valid  = hint_valid_reg;
            assign hint_addr   = hint_reg;
            assign scout_ready = !scout_inside || !hint_valid_reg;
            always @(posedge clk) begin
                if (!hint_valid_reg) hint_reg <= scout_addr;
                hint_valid_reg <= hint_valid_reg ? !hint_ready : scout_valid && scout_inside;
                if (scout_end) hint_valid_reg <= 1'b0;
            end
        end else begin : gen_hint
            assign hint_valid  = scout_valid && scout_inside;
            assign hint_addr   = scout_addr;
            assign scout_ready = !hint_valid || hint_ready;
        end
    endgenerate

    loas_window #(.SLICES_W(SLICES_W)) scout_inst (
        .clk(clk), .rst(scout_end),
        .cfg_kh(kh), .cfg_kw(kw), .cfg_in_h(in_h), .cfg_in_w(in_w),
        .cfg_a_stride(pitch), .cfg_row_bytes(row_bytes), .cfg_slices(slices), .cfg_branch(two),
        .cfg2_kh(kh2), .cfg2_kw(kw2), .cfg2_in_h(in_h2), .cfg2_in_w(in_w2),
        .cfg2_a_stride(pitch2), .cfg2_row_bytes(row_bytes2), .cfg2_slices(slices2),
        .s_valid(taken && many_pixels_reg), .s_ready(unused_scout_ready),
        .s_addr(s_addr), .s_y(s_y), .s_x(s_x), .s_addr2(s_addr2), .s_y2(s_y2), .s_x2(s_x2),
        .m_valid(scout_valid), .m_ready(scout_ready),
        .m_addr(scout_addr), .m_inside(scout_inside), .m_slices(unused_scout_slices), .m_last(unused_scout_last)
    );

    // -------------------------------------------------------------------------------------------------------- two rows
    loas_row_buffer #(
        .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .WINDOW(WINDOW), .LINE_W(LINE_W)
    ) row_inst (
        .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks),
        .s_valid(pixel_valid), .s_ready(pixel_ready),
        .s_addr(pixel_addr), .s_inside(pixel_inside), .s_slices(pixel_slices), .s_last(pixel_last),
        .free(free),
        .req_valid(rd_valid), .req_ready(rd_ready), .req_addr(rd_addr), .rsp_valid(rsp_valid), .rsp_data(rsp_data),
        .complete(complete), .ld_valid(ld_valid), .ld_bank(ld_bank), .ld_masks(ld_masks),
        .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
        .mask_rd_data(mask_rd_data),
        .base_rd_en(base_rd_en), .base_rd_bank(base_rd_bank), .base_rd_chunk(base_rd_chunk),
        .base_rd_data(base_rd_data),
        .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
        .word_rd_data(word_rd_data), .word_rd_chunk(word_rd_chunk),
        .err(err), .err_addr(err_addr)
    );

    wire unused_ok = &{1'b0, cfg_walk, cfg_branch};

endmodule

`resetall
