// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN as an engine: timesteps one after the other, to compare LoAS with.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// An engine gets tasks (one row of A and a block of columns of B), reads what it needs through lines of the cache, and
// gives the T sums of each column. All engines have these ports; docs/engines.md is their contract, docs/sparten.md
// explains this one. Operands and what comes after the sums are those of LoAS; a match is a spike that meets a weight,
// and empty a timestep of a window without any.
module loas_engine_sparten #(
    parameter integer T          = 4,
    parameter integer CHUNK_W    = 128,
    parameter integer WINDOW     = 1,      // chunks that are looked at together; SparTen's own is 128 bits
    parameter integer SLICE_W    = 16,
    parameter integer WEIGHT_W   = 8,
    parameter integer ACC_W      = 16,
    parameter integer K_MAX      = 8192,
    parameter integer DEEP       = 0,
    parameter integer LINE_W     = 1024,
    parameter integer INDEX_RATE = 4
) (
    input  wire                               clk,
    input  wire                               rst,

    // layer
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    input  wire [511:0]                       cfg_walk,
    input  wire [511:0]                       cfg_branch,
    input  wire                               cfg_index,

    // tasks
    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [31:0]                        s_a_addr,
    input  wire [17:0]                        s_y,
    input  wire [17:0]                        s_x,
    input  wire [31:0]                        s_a_addr2,
    input  wire [17:0]                        s_y2,
    input  wire [17:0]                        s_x2,
    input  wire [31:0]                        s_masks,
    input  wire [31:0]                        s_weights,
    input  wire [31:0]                        s_nnz,
    input  wire [10:0]                        s_cols,
    input  wire [1:0]                         s_tag,

    // lines
    output wire [2:0]                         rd_valid,
    input  wire [2:0]                         rd_ready,
    output wire [95:0]                        rd_addr,
    input  wire [2:0]                         rsp_valid,
    input  wire [LINE_W-1:0]                  rsp_data,
    output wire                               hint_valid,
    input  wire                               hint_ready,
    output wire [31:0]                        hint_addr,

    // sums
    output wire                               m_valid,
    input  wire                               m_ready,
    output wire [T*ACC_W-1:0]                 m_sum,
    output wire                               m_last,

    output wire                               err_a,
    output wire [31:0]                        err_a_addr,
    output wire                               err_b,
    output wire [1:0]                         err_b_tag,

    output wire                               ev_match,
    output wire                               ev_empty,
    output wire                               ev_stall_a,
    output wire                               ev_stall_b,
    output wire                               ev_stall_weight,
    output wire                               ev_stall_laggy,
    output wire                               ev_blocked,
    output wire                               ev_idle,
    output wire                               ev_correction
);

    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);
    localparam integer CHUNK_AW = K_MAX > CHUNK_W ? $clog2(K_MAX / CHUNK_W) : 1;
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer BASES_W  = WINDOW * BASE_W;
    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WIN_AW   = K_MAX > WIDE ? $clog2(K_MAX / WIDE) : 1;
    // weights of a task: at most 1024 columns of K_MAX, behind less than a line; one bit more, so that all ones is
    // never met
    localparam integer POS_W    = $clog2(K_MAX) + 12;

    wire                j_valid, j_ready, j_waits, free;
    wire [10:0]         j_cols;
    wire [POS_W-1:0]    j_start, j_stop;
    wire [1:0]          complete;
    wire                ld_valid, ld_bank;
    wire [CHUNKS_W-1:0] ld_masks;
    wire                mask_rd_en, mask_rd_bank;
    wire [WIN_AW-1:0]   mask_rd_window;
    wire [WIDE-1:0]     mask_rd_data;
    wire                base_rd_en, base_rd_bank;
    wire [CHUNK_AW-1:0] base_rd_chunk;
    wire [BASES_W-1:0]  base_rd_data;
    wire                word_rd_en, word_rd_bank;
    wire [BASE_W-1:0]   word_rd_index;
    wire [T-1:0]        word_rd_data;
    wire [CHUNK_W-1:0]  word_rd_chunk;
    wire                b_valid, b_ready, b_last;
    wire [WIDE-1:0]     b_data;
    wire                w_valid, w_ready, w_last;
    wire [LINE_W-1:0]   w_data;
    wire                err_block, err_join, err_join_bank;
    wire [1:0]          err_block_tag;
    wire                sum_valid, sum_ready, sum_last;
    wire [T*ACC_W-1:0]  sum_data;
    wire                join_stall_a, join_idle;

    loas_operands #(
        .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .K_MAX(K_MAX), .LAGGY(0),
        .DEEP(DEEP),
        .LINE_W(LINE_W), .INDEX_RATE(INDEX_RATE), .POS_W(POS_W)
    ) operands_inst (
        .clk(clk), .rst(rst),
        .cfg_chunks(cfg_chunks), .cfg_walk(cfg_walk), .cfg_branch(cfg_branch), .cfg_index(cfg_index),
        .s_valid(s_valid), .s_ready(s_ready),
        .s_a_addr(s_a_addr), .s_y(s_y), .s_x(s_x), .s_a_addr2(s_a_addr2), .s_y2(s_y2), .s_x2(s_x2),
        .s_masks(s_masks), .s_weights(s_weights), .s_nnz(s_nnz), .s_cols(s_cols), .s_tag(s_tag),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rsp_valid(rsp_valid), .rsp_data(rsp_data),
        .hint_valid(hint_valid), .hint_ready(hint_ready), .hint_addr(hint_addr),
        .j_valid(j_valid), .j_ready(j_ready), .j_cols(j_cols), .j_start(j_start), .j_stop(j_stop), .j_waits(j_waits),
        .free(free),
        .complete(complete), .ld_valid(ld_valid), .ld_bank(ld_bank), .ld_masks(ld_masks),
        .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
        .mask_rd_data(mask_rd_data),
        .base_rd_en(base_rd_en), .base_rd_bank(base_rd_bank), .base_rd_chunk(base_rd_chunk),
        .base_rd_data(base_rd_data),
        .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
        .word_rd_data(word_rd_data), .word_rd_chunk(word_rd_chunk),
        .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
        .err_a(err_a), .err_a_addr(err_a_addr), .err_b(err_block), .err_b_tag(err_block_tag)
    );

    loas_sparten #(
        .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .K_MAX(K_MAX),
        .LINE_W(LINE_W), .POS_W(POS_W)
    ) rival_inst (
        .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks),
        .s_valid(j_valid), .s_ready(j_ready), .s_cols(j_cols), .s_start(j_start), .s_end(j_stop),
        .complete(complete), .free(free),
        .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
        .mask_rd_data(mask_rd_data),
        .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
        .word_rd_chunk(word_rd_chunk),
        .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
        .m_valid(sum_valid), .m_ready(sum_ready), .m_sum(sum_data), .m_last(sum_last),
        .err(err_join), .err_bank(err_join_bank),
        .ev_match(ev_match), .ev_empty(ev_empty), .ev_stall_a(join_stall_a), .ev_stall_b(ev_stall_b),
        .ev_stall_weight(ev_stall_weight), .ev_blocked(ev_blocked), .ev_idle(join_idle)
    );

    // words go by the chunk, prefix sums of A are made where they are needed, and a row is taken when it is complete
    assign base_rd_en     = 1'b0;
    assign base_rd_bank   = 1'b0;
    assign base_rd_chunk  = {CHUNK_AW{1'b0}};
    assign ev_stall_laggy = 1'b0;
    assign ev_correction  = 1'b0;

    loas_cut #(.W(T*ACC_W + 1), .CUT(DEEP)) sum_cut_inst (
        .clk(clk), .rst(rst), .s_valid(sum_valid), .s_ready(sum_ready), .s_data({sum_last, sum_data}),
        .m_valid(m_valid), .m_ready(m_ready), .m_data({m_last, m_sum})
    );

    assign free = m_valid && m_ready && m_last;

    // the number of the task whose bank the join names
    reg [1:0] half_reg;
    always @(posedge clk) begin
        if (j_valid && j_ready) half_reg[s_tag[0]] <= s_tag[1];
    end

    assign err_b     = err_join || err_block;
    assign err_b_tag = err_join ? {half_reg[err_join_bank], err_join_bank} : err_block_tag;

    // a task that cannot yet enter the join waits for a row bank
    assign ev_stall_a = join_stall_a || (join_idle && j_waits);
    assign ev_idle    = join_idle && !j_waits;

    wire unused_row = &{1'b0, word_rd_data, base_rd_data, ld_valid, ld_bank, ld_masks};

endmodule

`resetall
