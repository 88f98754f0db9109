// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// TPPE: the T sums of one row of A and a block of columns of B, one output neuron after the other.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the machine hands out tasks and wants sums with all that a neuron needs of them. How sums are found is the
// engine's business. This module is the frame around an engine: the task at hand, the cache port, records and
// membranes. Layouts: docs/image-format.md.
//
// Contract: a task is taken while the one before is still being computed: its row, records, masks and weights are then
// read ahead. task_ready falls only when a task is taken. With pooling a task is ph * pw output pixels one after the
// other, each with all its columns: sum_pool_first and sum_pool_last tell which is at hand. sum_*: one column after the
// other in the order of the tasks; sum_last with a pixel's last, sum_slot and sum_out_addr those of its task,
// sum_state_addr that of the pixel's membranes, sum_state what they were (zero without cfg_carry_in). cfg_* are stable
// while tasks are inside and, with DEEP, the cycle before.
// Cache port: rd_* hold until rd_ready, a response for each read, in order, always taken (loas_fiber_cache).
// Edges: err_fiber_a with the row's address: header and masks of the row disagree. err_fiber_b with the address of the
// block's records: masks, weights and columns disagree, or a record does not fit MEM_W. Nothing sensible comes after an
// error until rst.
// Events: exactly one of the first eight is high in each cycle; what they mean is in docs/inner-join.md.
//
//   task --> task at hand --> engine ----------------> records, membranes --> sum
//                               |                               |
//   cache port <---------- line port ---------------------------'
module loas_tppe #(
    parameter integer T           = 4,
    parameter integer CHUNK_W     = 128,    // width of the prefix sums; sets the critical path
    parameter integer WINDOW      = 1,      // chunks that the inner join looks at together
    parameter integer SLICE_W     = 16,     // adders of the laggy prefix sum
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 8192,   // RAM for two rows: 2 * K_MAX * (1 + word) bits and their prefix sums
    parameter integer LAGGY       = 1,
    // 1: SparTen-SNN in place of the inner join (docs/sparten.md); LAGGY must be 0
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 0,      // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,
    parameter integer LINE_W      = 1024,   // seven line buffers of this width
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer INDEX_RATE  = 4,      // index code: bytes decoded a cycle; 0: bitmasks only
    parameter integer CARRY       = 1       // 1: membranes are read
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire                           task_valid,
    output wire                           task_ready,
    input  wire [31:0]                    task_a_addr,  // first pixel of the row's window
    input  wire [17:0]                    task_y,
    input  wire [17:0]                    task_x,
    input  wire [31:0]                    task_a_addr2, // of the branch's
    input  wire [17:0]                    task_y2,
    input  wire [17:0]                    task_x2,
    input  wire [31:0]                    task_state,
    input  wire [31:0]                    task_params,
    input  wire [31:0]                    task_masks,
    input  wire [31:0]                    task_weights,
    input  wire [31:0]                    task_nnz,
    input  wire [10:0]                    task_cols,
    input  wire [$clog2(NUM_SLOTS)-1:0]   task_slot,
    input  wire [$clog2(OUT_ENTRIES)-1:0] task_out_addr,
    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0] cfg_chunks,
    input  wire [511:0]                   cfg_walk,       // words of the walk record, and of the branch's
    input  wire [511:0]                   cfg_branch,
    input  wire                           cfg_index,
    input  wire                           cfg_carry_in,
    input  wire [31:0]                    cfg_state_stride,

    output wire                           rd_valid,
    input  wire                           rd_ready,
    output wire [31:0]                    rd_addr,
    output wire                           rd_keep,
    output wire                           rd_fetch,
    input  wire                           rsp_valid,
    input  wire [LINE_W-1:0]              rsp_data,

    output wire                           sum_valid,
    input  wire                           sum_ready,
    output wire [T*ACC_W-1:0]             sum_data,
    output wire [MEM_W-1:0]               sum_bias,
    output wire [MEM_W-1:0]               sum_threshold,
    output wire [31:0]                    sum_state,
    output wire [31:0]                    sum_state_addr,
    output wire                           sum_last,
    output wire                           sum_pool_first,
    output wire                           sum_pool_last,
    output wire [$clog2(NUM_SLOTS)-1:0]   sum_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] sum_out_addr,

    output wire                           err_fiber_a,
    output wire                           err_fiber_b,
    output wire [31:0]                    err_addr,

    output wire                           ev_match,
    output wire                           ev_empty,
    output wire                           ev_stall_a,
    output wire                           ev_stall_b,
    output wire                           ev_stall_weight,
    output wire                           ev_stall_laggy,
    output wire                           ev_stall_out,
    output wire                           ev_idle,
    output wire                           ev_correction
);

    localparam integer CHUNKS_W = $clog2(K_MAX / CHUNK_W + 1);

    // ------------------------------------------------------------------------------------------------------- the layer
    wire [CHUNKS_W-1:0] chunks;
    wire [511:0]        walk;
    wire [511:0]        branch;
    wire                index;
    wire                carry_in;
    wire [31:0]         state_stride;

    loas_layer_copy #(.CHUNKS_W(CHUNKS_W), .CARRY(CARRY), .DEEP(DEEP)) layer_inst (
        .clk(clk),
        .cfg_chunks(cfg_chunks), .cfg_walk(cfg_walk), .cfg_branch(cfg_branch), .cfg_index(cfg_index),
        .cfg_carry_in(cfg_carry_in), .cfg_state_stride(cfg_state_stride),
        .chunks(chunks), .walk(walk), .branch(branch), .index(index), .carry_in(carry_in), .state_stride(state_stride)
    );

    // ------------------------------------------------------------------------------------------------ the task at hand
    wire        engine_valid, engine_ready, params_valid, params_ready, state_valid, state_ready;
    wire [31:0] job_a_addr, job_a_addr2, job_state, job_params, job_masks, job_weights, job_nnz;
    wire [17:0] job_y, job_x, job_y2, job_x2;
    wire [10:0] job_cols;
    wire [1:0]  job_tag;
    wire [31:0] sum_params, err_b_params;
    wire [1:0]  err_b_tag;

    loas_task #(.OUT_ENTRIES(OUT_ENTRIES), .NUM_SLOTS(NUM_SLOTS), .DEEP(DEEP)) task_inst (
        .clk(clk), .rst(rst), .cfg_walk(walk), .cfg_state_stride(state_stride),
        .task_valid(task_valid), .task_ready(task_ready),
        .task_a_addr(task_a_addr), .task_y(task_y), .task_x(task_x),
        .task_a_addr2(task_a_addr2), .task_y2(task_y2), .task_x2(task_x2), .task_state(task_state),
        .task_params(task_params), .task_masks(task_masks), .task_weights(task_weights), .task_nnz(task_nnz),
        .task_cols(task_cols), .task_slot(task_slot), .task_out_addr(task_out_addr),
        .engine_valid(engine_valid), .engine_ready(engine_ready), .params_valid(params_valid),
        .params_ready(params_ready),
        .state_valid(state_valid), .state_ready(state_ready),
        .job_a_addr(job_a_addr), .job_y(job_y), .job_x(job_x), .job_a_addr2(job_a_addr2), .job_y2(job_y2),
        .job_x2(job_x2),
        .job_state(job_state), .job_params(job_params), .job_masks(job_masks), .job_weights(job_weights),
        .job_nnz(job_nnz),
        .job_cols(job_cols), .job_tag(job_tag),
        .done(sum_valid && sum_ready && sum_last), .sum_params(sum_params), .sum_state_addr(sum_state_addr),
        .sum_slot(sum_slot), .sum_out_addr(sum_out_addr), .sum_pool_first(sum_pool_first),
        .sum_pool_last(sum_pool_last),
        .find_tag(err_b_tag), .find_params(err_b_params)
    );

    // ------------------------------------------------------------------------- one cache port for all readers of lines
    wire [2:0]  eng_rd_valid, eng_rd_ready, eng_rsp_valid;
    wire [95:0] eng_rd_addr;
    wire [1:0]  rec_rd_valid, rec_rd_ready, rec_rsp_valid;     // records, membranes
    wire [63:0] rec_rd_addr;
    wire        hint_valid, hint_ready;
    wire [31:0] hint_addr;

    loas_line_port #(.N(5), .KEEP(32'd1), .DEEP(DEEP)) port_inst (
        .clk(clk), .rst(rst),
        .req_valid({rec_rd_valid[1], eng_rd_valid[2:1], rec_rd_valid[0], eng_rd_valid[0]}),
        .req_ready({rec_rd_ready[1], eng_rd_ready[2:1], rec_rd_ready[0], eng_rd_ready[0]}),
        .req_addr({rec_rd_addr[63:32], eng_rd_addr[95:32], rec_rd_addr[31:0], eng_rd_addr[31:0]}),
        .req_rsp_valid({rec_rsp_valid[1], eng_rsp_valid[2:1], rec_rsp_valid[0], eng_rsp_valid[0]}),
        .hint_valid(hint_valid), .hint_ready(hint_ready), .hint_addr(hint_addr),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rd_keep(rd_keep), .rd_fetch(rd_fetch),
        .rsp_valid(rsp_valid)
    );

    // ------------------------------------------------------------------------------------------------------ the engine
    wire               end_valid, end_ready, end_last;      // a column's sums
    wire [T*ACC_W-1:0] end_sum;
    wire               err_a, err_b;
    wire [31:0]        err_a_addr;
    wire               eng_stall_b, eng_blocked;

    generate
        if (SEQUENTIAL != 0) begin : gen_sparten
            loas_engine_sparten #(
                .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W),
                .K_MAX(K_MAX),
                .DEEP(DEEP), .LINE_W(LINE_W), .INDEX_RATE(INDEX_RATE)
            ) engine_inst (
                .clk(clk), .rst(rst),
                .cfg_chunks(chunks), .cfg_walk(walk), .cfg_branch(branch), .cfg_index(index),
                .s_valid(engine_valid), .s_ready(engine_ready),
                .s_a_addr(job_a_addr), .s_y(job_y), .s_x(job_x), .s_a_addr2(job_a_addr2), .s_y2(job_y2), .s_x2(job_x2),
                .s_masks(job_masks), .s_weights(job_weights), .s_nnz(job_nnz), .s_cols(job_cols), .s_tag(job_tag),
                .rd_valid(eng_rd_valid), .rd_ready(eng_rd_ready), .rd_addr(eng_rd_addr),
                .rsp_valid(eng_rsp_valid), .rsp_data(rsp_data),
                .hint_valid(hint_valid), .hint_ready(hint_ready), .hint_addr(hint_addr),
                .m_valid(end_valid), .m_ready(end_ready), .m_sum(end_sum), .m_last(end_last),
                .err_a(err_a), .err_a_addr(err_a_addr), .err_b(err_b), .err_b_tag(err_b_tag),
                .ev_match(ev_match), .ev_empty(ev_empty), .ev_stall_a(ev_stall_a), .ev_stall_b(eng_stall_b),
                .ev_stall_weight(ev_stall_weight), .ev_stall_laggy(ev_stall_laggy), .ev_blocked(eng_blocked),
                .ev_idle(ev_idle), .ev_correction(ev_correction)
            );
        end else begin : gen_join
            loas_engine_join #(
                .T(T), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W), .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W),
                .K_MAX(K_MAX),
                .LAGGY(LAGGY), .DEEP(DEEP), .FIFO_DEPTH(FIFO_DEPTH), .LINE_W(LINE_W), .INDEX_RATE(INDEX_RATE)
            ) engine_inst (
                .clk(clk), .rst(rst),
                .cfg_chunks(chunks), .cfg_walk(walk), .cfg_branch(branch), .cfg_index(index),
                .s_valid(engine_valid), .s_ready(engine_ready),
                .s_a_addr(job_a_addr), .s_y(job_y), .s_x(job_x), .s_a_addr2(job_a_addr2), .s_y2(job_y2), .s_x2(job_x2),
                .s_masks(job_masks), .s_weights(job_weights), .s_nnz(job_nnz), .s_cols(job_cols), .s_tag(job_tag),
                .rd_valid(eng_rd_valid), .rd_ready(eng_rd_ready), .rd_addr(eng_rd_addr),
                .rsp_valid(eng_rsp_valid), .rsp_data(rsp_data),
                .hint_valid(hint_valid), .hint_ready(hint_ready), .hint_addr(hint_addr),
                .m_valid(end_valid), .m_ready(end_ready), .m_sum(end_sum), .m_last(end_last),
                .err_a(err_a), .err_a_addr(err_a_addr), .err_b(err_b), .err_b_tag(err_b_tag),
                .ev_match(ev_match), .ev_empty(ev_empty), .ev_stall_a(ev_stall_a), .ev_stall_b(eng_stall_b),
                .ev_stall_weight(ev_stall_weight), .ev_stall_laggy(ev_stall_laggy), .ev_blocked(eng_blocked),
                .ev_idle(ev_idle), .ev_correction(ev_correction)
            );
        end
    endgenerate

    // --------------------------------------------------------------------------------------- sums meet their records
    wire known, record_bad;

    loas_records #(.MEM_W(MEM_W), .LINE_W(LINE_W), .SUM_W(T*ACC_W), .CARRY(CARRY)) records_inst (
        .clk(clk), .rst(rst), .cfg_carry_in(carry_in),
        .params_valid(params_valid), .params_ready(params_ready), .state_valid(state_valid), .state_ready(state_ready),
        .job_params(job_params), .job_state(job_state), .job_cols(job_cols),
        .rd_valid(rec_rd_valid), .rd_ready(rec_rd_ready), .rd_addr(rec_rd_addr), .rsp_valid(rec_rsp_valid),
        .rsp_data(rsp_data),
        .s_valid(end_valid), .s_ready(end_ready), .s_data(end_sum), .s_last(end_last),
        .m_valid(sum_valid), .m_ready(sum_ready), .m_data(sum_data), .m_bias(sum_bias), .m_threshold(sum_threshold),
        .m_state(sum_state), .m_last(sum_last),
        .known(known), .err(record_bad)
    );

    loas_tppe_errors #(.DEEP(DEEP)) errors_inst (
        .clk(clk), .rst(rst),
        .row_bad(err_a), .row_addr(err_a_addr), .block_bad(err_b), .block_addr(err_b_params),
        .record_bad(record_bad), .record_addr(sum_params),
        .err_fiber_a(err_fiber_a), .err_fiber_b(err_fiber_b), .err_addr(err_addr)
    );

    // an engine that cannot give its sums waits for the record, or for those who take them
    assign ev_stall_b   = eng_stall_b || (eng_blocked && !known);
    assign ev_stall_out = eng_blocked && known;

endmodule

`resetall
