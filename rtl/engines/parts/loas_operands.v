// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Operands for an engine that joins one row with one column at a time: a row of A, a block of B.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: such engines differ in how they find the matches of a row and a column. What they find them in is the same:
// a row's masks and words, windows of the block's masks, and lines of its weights.
//
// Contract: cfg_*, s_*, rd_*, rsp_* and hint_* are those of the engine (docs/engines.md). A task is offered to the join
// at j_* from the cycle after its row has a bank, which is s_tag[0]; the join takes it with j_ready, one task after the
// other. Rows are read as loas_row_buffer says, b_* and w_* are the streams of loas_block_source. `free` (pulse) tells
// that the last sum of the older task has left. j_waits: a task is at hand that the join has not yet taken.
// Lines: reader 0 is that of rows, 1 that of masks, 2 that of weights. Hints of rows go before those of masks.
// Edges: err_a, err_b as the engine's; the join adds its own to err_b.
module loas_operands #(
    parameter integer T          = 4,
    parameter integer CHUNK_W    = 128,
    parameter integer WINDOW     = 1,
    parameter integer SLICE_W    = 16,
    parameter integer WEIGHT_W   = 8,
    parameter integer K_MAX      = 8192,
    parameter integer LAGGY      = 1,
    parameter integer DEEP       = 0,
    parameter integer LINE_W     = 1024,
    parameter integer INDEX_RATE = 4,
    parameter integer POS_W      = 25
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

    // the join's task
    output wire                               j_valid,
    input  wire                               j_ready,
    output wire [10:0]                        j_cols,
    output wire [POS_W-1:0]                   j_start,
    output wire [POS_W-1:0]                   j_stop,
    output wire                               j_waits,
    input  wire                               free,

    // the row
    output wire [1:0]                         complete,
    output wire                               ld_valid,
    output wire                               ld_bank,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0] ld_masks,
    input  wire                               mask_rd_en,
    input  wire                               mask_rd_bank,
    input  wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    output wire [WINDOW*CHUNK_W-1:0]          mask_rd_data,
    input  wire                               base_rd_en,
    input  wire                               base_rd_bank,
    input  wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] base_rd_chunk,
    output wire [(LAGGY != 0 ? CHUNK_W/SLICE_W : WINDOW)*$clog2(K_MAX+1)-1:0] base_rd_data,
    input  wire                               word_rd_en,
    input  wire                               word_rd_bank,
    input  wire [$clog2(K_MAX+1)-1:0]         word_rd_index,
    output wire [T-1:0]                       word_rd_data,
    output wire [CHUNK_W-1:0]                 word_rd_chunk,

    // the block
    output wire                               b_valid,
    input  wire                               b_ready,
    output wire [WINDOW*CHUNK_W-1:0]          b_data,
    output wire                               b_last,
    output wire                               w_valid,
    input  wire                               w_ready,
    output wire [LINE_W-1:0]                  w_data,
    output wire                               w_last,

    output wire                               err_a,
    output wire [31:0]                        err_a_addr,
    output wire                               err_b,
    output wire [1:0]                         err_b_tag
);

    localparam integer ROW = 0, MASKS = 1, WEIGHTS = 2, CODE = 3, JOIN = 4;
    localparam integer PARTS = 5;

    wire [PARTS-1:0] valid;
    wire [PARTS-1:0] ready;
    wire [PARTS-1:0] done;

    loas_fork #(.N(PARTS)) task_inst (
        .clk(clk), .rst(rst), .s_valid(s_valid), .s_ready(s_ready), .m_valid(valid), .m_ready(ready), .done(done)
    );

    // the join may start when the row has a bank, which then is free of the task before the last
    assign j_valid     = valid[JOIN] && done[ROW];
    assign ready[JOIN] = j_ready && done[ROW];
    assign j_waits     = valid[JOIN];
    assign j_cols      = s_cols;

    wire        row_hint_valid, block_hint_valid;
    wire [31:0] row_hint_addr, block_hint_addr;

    assign hint_valid = row_hint_valid || block_hint_valid;
    assign hint_addr  = row_hint_valid ? row_hint_addr : block_hint_addr;

    loas_row_source #(
        .T(T), .CHUNK_W(CHUNK_W), .SLICE_W(SLICE_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .WINDOW(WINDOW), .DEEP(DEEP),
        .LINE_W(LINE_W)
    ) rows_inst (
        .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks), .cfg_walk(cfg_walk), .cfg_branch(cfg_branch),
        .s_valid(valid[ROW]), .s_ready(ready[ROW]),
        .s_addr(s_a_addr), .s_y(s_y), .s_x(s_x), .s_addr2(s_a_addr2), .s_y2(s_y2), .s_x2(s_x2),
        .free(free),
        .rd_valid(rd_valid[0]), .rd_ready(rd_ready[0]), .rd_addr(rd_addr[31:0]), .rsp_valid(rsp_valid[0]),
        .rsp_data(rsp_data),
        .hint_valid(row_hint_valid), .hint_ready(hint_ready), .hint_addr(row_hint_addr),
        .complete(complete), .ld_valid(ld_valid), .ld_bank(ld_bank), .ld_masks(ld_masks),
        .mask_rd_en(mask_rd_en), .mask_rd_bank(mask_rd_bank), .mask_rd_window(mask_rd_window),
        .mask_rd_data(mask_rd_data),
        .base_rd_en(base_rd_en), .base_rd_bank(base_rd_bank), .base_rd_chunk(base_rd_chunk),
        .base_rd_data(base_rd_data),
        .word_rd_en(word_rd_en), .word_rd_bank(word_rd_bank), .word_rd_index(word_rd_index),
        .word_rd_data(word_rd_data), .word_rd_chunk(word_rd_chunk),
        .err(err_a), .err_addr(err_a_addr)
    );

    loas_block_source #(
        .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .WEIGHT_W(WEIGHT_W), .K_MAX(K_MAX), .DEEP(DEEP), .LINE_W(LINE_W),
        .INDEX_RATE(INDEX_RATE), .POS_W(POS_W)
    ) block_inst (
        .clk(clk), .rst(rst), .cfg_chunks(cfg_chunks), .cfg_index(cfg_index),
        .masks_valid(valid[MASKS]), .masks_ready(ready[MASKS]),
        .weights_valid(valid[WEIGHTS]), .weights_ready(ready[WEIGHTS]),
        .code_valid(valid[CODE]), .code_ready(ready[CODE]),
        .s_masks(s_masks), .s_weights(s_weights), .s_nnz(s_nnz), .s_cols(s_cols), .s_tag(s_tag), .s_start(j_start),
        .s_stop(j_stop),
        .rd_valid(rd_valid[2:1]), .rd_ready(rd_ready[2:1]), .rd_addr(rd_addr[95:32]), .rsp_valid(rsp_valid[2:1]),
        .rsp_data(rsp_data),
        .hint_valid(block_hint_valid), .hint_ready(hint_ready && !row_hint_valid), .hint_addr(block_hint_addr),
        .b_valid(b_valid), .b_ready(b_ready), .b_data(b_data), .b_last(b_last),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_last(w_last),
        .err(err_b), .err_tag(err_b_tag)
    );

    wire unused_done = &{1'b0, done[JOIN:MASKS]};

endmodule

`resetall
