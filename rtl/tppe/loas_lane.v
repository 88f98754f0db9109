// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// A lane: a TPPE with the neurons and the output slice after it.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_bundles.vh"

// Problem: what the machine has NUM_TPPES of, from a task to its spikes.
//
// Contract: tasks at task_* (loas_tppe); their entries for the output buffer at ent_*, and their membranes, as write
// commands, at cmd_* and wr_* (loas_out_lane); state_idle: no membranes are held. Bundles are in loas_bundles.vh.
// cfg_lane is stable while tasks are inside and, with DEEP, the cycle before.
//
//   task -> TPPE -> neurons -+-> output slice -> ent
//            |               '-> state writer -> cmd, wr
//   rd, rsp -'
module loas_lane #(
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,
    parameter integer WINDOW      = 1,
    parameter integer SLICE_W     = 16,
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 8192,
    parameter integer LAGGY       = 1,
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 0,
    parameter integer FIFO_DEPTH  = 8,
    parameter integer LINE_W      = 1024,
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer INDEX_RATE  = 4,
    parameter integer CARRY       = 1,
    parameter integer POOL_COLS   = 64
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire [`LOAS_LANE_CFG_W+$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_lane,

    input  wire                           task_valid,
    output wire                           task_ready,
    input  wire [`LOAS_TASK_W+$clog2(NUM_SLOTS)+$clog2(OUT_ENTRIES)-1:0] task_data,

    // cache port
    output wire                           rd_valid,
    input  wire                           rd_ready,
    output wire [31:0]                    rd_addr,
    output wire                           rd_keep,
    output wire                           rd_fetch,
    input  wire                           rsp_valid,
    input  wire [LINE_W-1:0]              rsp_data,

    // entries for the output buffer
    output wire                           ent_valid,
    input  wire                           ent_ready,
    output wire [$clog2(NUM_SLOTS)-1:0]   ent_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] ent_addr,
    output wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    output wire [$clog2(SLICE_W+1)-1:0]   ent_count,

    // membranes
    output wire                           state_idle,
    output wire                           cmd_valid,
    input  wire                           cmd_ready,
    output wire [31:0]                    cmd_addr,
    output wire [16:0]                    cmd_chunks,
    output wire                           wr_valid,
    input  wire                           wr_ready,
    output wire [CHUNK_W-1:0]             wr_data,

    output wire                           err_fiber_a,
    output wire                           err_fiber_b,
    output wire [31:0]                    err_addr,

    output wire [`LOAS_LANE_EV_W-1:0]     ev_lane
);

    localparam integer SLOT_W   = $clog2(NUM_SLOTS);
    localparam integer ADDR_W   = $clog2(OUT_ENTRIES);
    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);

    wire [CHUNKS_W-1:0] cfg_chunks;
    wire [511:0]        cfg_walk, cfg_branch;
    wire [31:0]         cfg_state_stride;
    wire [8:0]          cfg_leak;
    wire [4:0]          cfg_steps;
    wire                cfg_index, cfg_carry_in, cfg_carry_out, cfg_soft, cfg_late, cfg_readout, cfg_drop_once;
    assign `LOAS_LANE_CFG_FIELDS = cfg_lane;

    wire [31:0]         task_a_addr, task_a_addr2, task_state, task_params, task_masks, task_weights, task_nnz;
    wire [17:0]         task_y, task_x, task_y2, task_x2;
    wire [10:0]         task_cols;
    wire [SLOT_W-1:0]   task_slot;
    wire [ADDR_W-1:0]   task_out_addr;
    assign `LOAS_TASK_FIELDS = task_data;

    wire                ev_match, ev_empty, ev_stall_a, ev_stall_b, ev_stall_weight, ev_stall_laggy, ev_stall_out;
    wire                ev_idle, ev_correction;
    assign ev_lane = `LOAS_LANE_EV_FIELDS;

    wire                sum_valid, sum_ready, sum_last, sum_pool_first, sum_pool_last;
    wire [T*ACC_W-1:0]  sum_data;
    wire [MEM_W-1:0]    sum_bias, sum_threshold;
    wire [31:0]         sum_state, sum_state_addr;
    wire [SLOT_W-1:0]   sum_slot;
    wire [ADDR_W-1:0]   sum_out_addr;

    loas_tppe #(
        .T(T),
        .CHUNK_W(CHUNK_W),
        .WINDOW(WINDOW),
        .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W),
        .ACC_W(ACC_W),
        .MEM_W(MEM_W),
        .K_MAX(K_MAX),
        .LAGGY(LAGGY),
        .SEQUENTIAL(SEQUENTIAL),
        .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH),
        .LINE_W(LINE_W),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .INDEX_RATE(INDEX_RATE),
        .CARRY(CARRY)
    ) tppe_inst (
        .clk             (clk),
        .rst             (rst),
        .task_valid      (task_valid),
        .task_ready      (task_ready),
        .task_a_addr     (task_a_addr),
        .task_y          (task_y),
        .task_x          (task_x),
        .task_a_addr2    (task_a_addr2),
        .task_y2         (task_y2),
        .task_x2         (task_x2),
        .task_state      (task_state),
        .task_params     (task_params),
        .task_masks      (task_masks),
        .task_weights    (task_weights),
        .task_nnz        (task_nnz),
        .task_cols       (task_cols),
        .task_slot       (task_slot),
        .task_out_addr   (task_out_addr),
        .cfg_chunks      (cfg_chunks),
        .cfg_walk        (cfg_walk),
        .cfg_branch      (cfg_branch),
        .cfg_index       (cfg_index),
        .cfg_carry_in    (cfg_carry_in),
        .cfg_state_stride(cfg_state_stride),
        .rd_valid        (rd_valid),
        .rd_ready        (rd_ready),
        .rd_addr         (rd_addr),
        .rd_keep         (rd_keep),
        .rd_fetch        (rd_fetch),
        .rsp_valid       (rsp_valid),
        .rsp_data        (rsp_data),
        .sum_valid       (sum_valid),
        .sum_ready       (sum_ready),
        .sum_data        (sum_data),
        .sum_bias        (sum_bias),
        .sum_threshold   (sum_threshold),
        .sum_state       (sum_state),
        .sum_state_addr  (sum_state_addr),
        .sum_last        (sum_last),
        .sum_pool_first  (sum_pool_first),
        .sum_pool_last   (sum_pool_last),
        .sum_slot        (sum_slot),
        .sum_out_addr    (sum_out_addr),
        .err_fiber_a     (err_fiber_a),
        .err_fiber_b     (err_fiber_b),
        .err_addr        (err_addr),
        .ev_match        (ev_match),
        .ev_empty        (ev_empty),
        .ev_stall_a      (ev_stall_a),
        .ev_stall_b      (ev_stall_b),
        .ev_stall_weight (ev_stall_weight),
        .ev_stall_laggy  (ev_stall_laggy),
        .ev_stall_out    (ev_stall_out),
        .ev_idle         (ev_idle),
        .ev_correction   (ev_correction)
    );

    loas_out_lane #(
        .T(T),
        .CHUNK_W(CHUNK_W),
        .SLICE_W(SLICE_W),
        .ACC_W(ACC_W),
        .MEM_W(MEM_W),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .CARRY(CARRY),
        .POOL_COLS(POOL_COLS)
    ) out_inst (
        .clk            (clk),
        .rst            (rst),
        .cfg_leak       (cfg_leak),
        .cfg_soft       (cfg_soft),
        .cfg_late       (cfg_late),
        .cfg_steps      (cfg_steps),
        .cfg_readout    (cfg_readout),
        .cfg_drop_once  (cfg_drop_once),
        .cfg_carry_out  (cfg_carry_out),
        .sum_valid      (sum_valid),
        .sum_ready      (sum_ready),
        .sum_data       (sum_data),
        .sum_bias       (sum_bias),
        .sum_threshold  (sum_threshold),
        .sum_state      (sum_state),
        .sum_state_addr (sum_state_addr),
        .sum_last       (sum_last),
        .sum_pool_first (sum_pool_first),
        .sum_pool_last  (sum_pool_last),
        .sum_slot       (sum_slot),
        .sum_out_addr   (sum_out_addr),
        .ent_valid      (ent_valid),
        .ent_ready      (ent_ready),
        .ent_slot       (ent_slot),
        .ent_addr       (ent_addr),
        .ent_data       (ent_data),
        .ent_count      (ent_count),
        .state_idle     (state_idle),
        .cmd_valid      (cmd_valid),
        .cmd_ready      (cmd_ready),
        .cmd_addr       (cmd_addr),
        .cmd_chunks     (cmd_chunks),
        .wr_valid       (wr_valid),
        .wr_ready       (wr_ready),
        .wr_data        (wr_data)
    );

endmodule

`resetall
