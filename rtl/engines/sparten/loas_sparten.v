// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// SparTen-SNN as an engine of a TPPE: timesteps in sequence, two fast prefix sums, no multiplier.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the rival that LoAS is measured against, on equal terms: it stands where inner join and back of LoAS stand,
// between the same row buffer, streams and P-LIF, so that cache, scheduler, weights, memory and outputs are the same.
// docs/sparten.md has the reasons.
//
// Contract: tasks, masks and weights of B as loas_join takes them; sums as loas_join_laggy gives them, bit for bit;
// exactly one of ev_* in each cycle, but here a match is a spike that meets a weight, and empty is a timestep of a
// window without any.
//
//   row buffer -> planes --> join: AND, priority encoder, two prefix sums -> weights -> sums
//   masks of B --------------'                                               |
//   lines of weights --------------------------------------------------------'
module loas_sparten #(
    parameter integer T        = 4,
    parameter integer CHUNK_W  = 128,
    parameter integer WINDOW   = 1,      // chunks that are looked at together; SparTen's own is 128 bits
    parameter integer SLICE_W  = 16,
    parameter integer WEIGHT_W = 8,
    parameter integer ACC_W    = 16,
    parameter integer K_MAX    = 8192,
    parameter integer LINE_W   = 1024,
    parameter integer POS_W    = 25
) (
    input  wire                               clk,
    input  wire                               rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,

    input  wire                               s_valid,
    output wire                               s_ready,
    input  wire [10:0]                        s_cols,
    input  wire [POS_W-1:0]                   s_start,
    input  wire [POS_W-1:0]                   s_end,

    // the row, see loas_row_buffer
    input  wire [1:0]                         complete,
    input  wire                               free,
    output wire                               mask_rd_en,
    output wire                               mask_rd_bank,
    output wire [(K_MAX > WINDOW*CHUNK_W ? $clog2(K_MAX/(WINDOW*CHUNK_W)) : 1)-1:0] mask_rd_window,
    input  wire [WINDOW*CHUNK_W-1:0]          mask_rd_data,
    output wire                               word_rd_en,
    output wire                               word_rd_bank,
    output wire [$clog2(K_MAX+1)-1:0]         word_rd_index,
    input  wire [CHUNK_W-1:0]                 word_rd_chunk,

    input  wire                               b_valid,
    output wire                               b_ready,
    input  wire [WINDOW*CHUNK_W-1:0]          b_data,
    input  wire                               b_last,

    input  wire                               w_valid,
    output wire                               w_ready,
    input  wire [LINE_W-1:0]                  w_data,
    input  wire                               w_last,

    output wire                               m_valid,
    input  wire                               m_ready,
    output wire [T*ACC_W-1:0]                 m_sum,
    output wire                               m_last,

    output wire                               err,
    output wire                               err_bank,

    output wire                               ev_match,
    output wire                               ev_empty,
    output wire                               ev_stall_a,
    output wire                               ev_stall_b,
    output wire                               ev_stall_weight,
    output wire                               ev_blocked,
    output wire                               ev_idle
);

    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WIN_W    = $clog2(K_MAX / WIDE + 1);
    localparam integer WIN_AW   = K_MAX > WIDE ? $clog2(K_MAX / WIDE) : 1;
    localparam integer STEP_W   = T > 1 ? $clog2(T) : 1;
    localparam integer OFFSET_W = $clog2(WIDE + 1);

    wire [1:0]          planes_complete;
    wire                ld_valid, ld_bank;
    wire [WIN_W-1:0]    ld_windows;
    wire                rd_en, rd_bank;
    wire [WIN_AW-1:0]   rd_window;
    wire [STEP_W-1:0]   rd_step;
    wire [WIDE-1:0]     rd_data;

    loas_sparten_planes #(.T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .K_MAX(K_MAX)) planes_inst (
        .clk            (clk),
        .rst            (rst),
        .cfg_chunks     (cfg_chunks),
        .complete       (complete),
        .free           (free),
        .mask_rd_en     (mask_rd_en),
        .mask_rd_bank   (mask_rd_bank),
        .mask_rd_window (mask_rd_window),
        .mask_rd_data   (mask_rd_data),
        .word_rd_en     (word_rd_en),
        .word_rd_bank   (word_rd_bank),
        .word_rd_index  (word_rd_index),
        .word_rd_chunk  (word_rd_chunk),
        .planes_complete(planes_complete),
        .ld_valid       (ld_valid),
        .ld_bank        (ld_bank),
        .ld_windows     (ld_windows),
        .rd_en          (rd_en),
        .rd_bank        (rd_bank),
        .rd_window      (rd_window),
        .rd_step        (rd_step),
        .rd_data        (rd_data)
    );

    wire                ent_valid, ent_ready, ent_match, ent_col_last, ent_task_last, ent_weights, stuck;
    wire [STEP_W-1:0]   ent_step;
    wire [POS_W-1:0]    ent_pos, ent_first;
    wire [OFFSET_W-1:0] ent_spike;

    loas_sparten_join #(.T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .K_MAX(K_MAX), .POS_W(POS_W)) join_inst (
        .clk        (clk),
        .rst        (rst),
        .cfg_chunks (cfg_chunks),
        .s_valid    (s_valid),
        .s_ready    (s_ready),
        .s_cols     (s_cols),
        .s_start    (s_start),
        .s_end      (s_end),
        .complete   (planes_complete),
        .ld_valid   (ld_valid),
        .ld_bank    (ld_bank),
        .ld_windows (ld_windows),
        .rd_en      (rd_en),
        .rd_bank    (rd_bank),
        .rd_window  (rd_window),
        .rd_step    (rd_step),
        .rd_data    (rd_data),
        .b_valid    (b_valid),
        .b_ready    (b_ready),
        .b_data     (b_data),
        .b_last     (b_last),
        .m_valid    (ent_valid),
        .m_ready    (ent_ready),
        .m_match    (ent_match),
        .m_step     (ent_step),
        .m_col_last (ent_col_last),
        .m_task_last(ent_task_last),
        .m_weights  (ent_weights),
        .m_pos      (ent_pos),
        .m_first    (ent_first),
        .m_spike    (ent_spike),
        .err        (err),
        .err_bank   (err_bank),
        .ev_match   (ev_match),
        .ev_empty   (ev_empty),
        .ev_stall_a (ev_stall_a),
        .ev_stall_b (ev_stall_b),
        .ev_stuck   (stuck),
        .ev_idle    (ev_idle)
    );

    wire                add_valid, add_ready, add_match, add_col_last, add_task_last;
    wire [STEP_W-1:0]   add_step;
    wire [WEIGHT_W-1:0] add_weight;
    wire [OFFSET_W-1:0] unused_spike;      // a spike is one: there is nothing to read at its place

    loas_sparten_weights #(
        .WIDE(WIDE), .WEIGHT_W(WEIGHT_W), .LINE_W(LINE_W), .POS_W(POS_W), .STEP_W(STEP_W), .OFFSET_W(OFFSET_W)
    ) weights_inst (
        .clk        (clk),
        .rst        (rst),
        .s_valid    (ent_valid),
        .s_ready    (ent_ready),
        .s_match    (ent_match),
        .s_step     (ent_step),
        .s_col_last (ent_col_last),
        .s_task_last(ent_task_last),
        .s_weights  (ent_weights),
        .s_pos      (ent_pos),
        .s_first    (ent_first),
        .s_spike    (ent_spike),
        .w_valid    (w_valid),
        .w_ready    (w_ready),
        .w_data     (w_data),
        .w_last     (w_last),
        .m_valid    (add_valid),
        .m_ready    (add_ready),
        .m_weight   (add_weight),
        .m_match    (add_match),
        .m_step     (add_step),
        .m_col_last (add_col_last),
        .m_task_last(add_task_last),
        .m_spike    (unused_spike)
    );

    loas_sparten_sums #(.T(T), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W)) sums_inst (
        .clk        (clk),
        .rst        (rst),
        .s_valid    (add_valid),
        .s_ready    (add_ready),
        .s_weight   (add_weight),
        .s_match    (add_match),
        .s_step     (add_step),
        .s_col_last (add_col_last),
        .s_task_last(add_task_last),
        .m_valid    (m_valid),
        .m_ready    (m_ready),
        .m_sum      (m_sum),
        .m_last     (m_last)
    );

    assign ev_blocked      = stuck && add_valid && !add_ready;
    assign ev_stall_weight = stuck && !ev_blocked;

endmodule

`resetall
