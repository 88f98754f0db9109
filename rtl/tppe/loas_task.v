// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The task at hand of a TPPE: taken from the scheduler, repeated for each pixel of a pooling window.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: a task of the scheduler is one output pixel, or with max pooling all pixels of a pooling window. The engine,
// the reader of records and the reader of membranes each take a pixel's work as soon as they can, while sums of the
// pixel before still leave.
//
// Contract: a task is taken when everyone has taken the pixel at hand and no pixel of the pooling window is left; with
// DEEP task_ready comes a cycle later, which the scheduler waits for. engine_*, params_* and state_* offer the pixel at
// hand with the fields job_*, which hold until all three have been ready. job_tag numbers the pixels modulo 4. Up to
// two pixels are remembered until their last sum leaves, which `done` tells (pulse): sum_* belong to the older one.
// Edges: find_params is the address of the records of the pixel with the number find_tag, which must be the one at hand
// or one of the two that are remembered.
module loas_task #(
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer DEEP        = 0
) (
    input  wire                           clk,
    input  wire                           rst,

    // layer
    input  wire [511:0]                   cfg_walk,
    input  wire [31:0]                    cfg_state_stride,

    // from the scheduler
    input  wire                           task_valid,
    output wire                           task_ready,
    input  wire [31:0]                    task_a_addr,
    input  wire [17:0]                    task_y,
    input  wire [17:0]                    task_x,
    input  wire [31:0]                    task_a_addr2,
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

    // the pixel at hand
    output wire                           engine_valid,
    input  wire                           engine_ready,
    output wire                           params_valid,
    input  wire                           params_ready,
    output wire                           state_valid,
    input  wire                           state_ready,
    output wire [31:0]                    job_a_addr,
    output wire [17:0]                    job_y,
    output wire [17:0]                    job_x,
    output wire [31:0]                    job_a_addr2,
    output wire [17:0]                    job_y2,
    output wire [17:0]                    job_x2,
    output wire [31:0]                    job_state,
    output wire [31:0]                    job_params,
    output wire [31:0]                    job_masks,
    output wire [31:0]                    job_weights,
    output wire [31:0]                    job_nnz,
    output wire [10:0]                    job_cols,
    output wire [1:0]                     job_tag,

    // the pixel whose sums leave
    input  wire                           done,
    output wire [31:0]                    sum_params,
    output wire [31:0]                    sum_state_addr,
    output wire [$clog2(NUM_SLOTS)-1:0]   sum_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] sum_out_addr,
    output wire                           sum_pool_first,
    output wire                           sum_pool_last,

    input  wire [1:0]                     find_tag,
    output wire [31:0]                    find_params
);

    localparam integer SLOT_W = $clog2(NUM_SLOTS);
    localparam integer ADDR_W = $clog2(OUT_ENTRIES);

    wire [7:0]  pool_h   = cfg_walk[32*`LOAS_WALK_POOL +: 8];
    wire [7:0]  pool_w   = cfg_walk[32*`LOAS_WALK_POOL + 8 +: 8];
    wire [7:0]  stride_y = cfg_walk[32*`LOAS_WALK_KERNEL + 16 +: 8];
    wire [7:0]  stride_x = cfg_walk[32*`LOAS_WALK_KERNEL + 24 +: 8];
    wire [31:0] step_x   = cfg_walk[32*`LOAS_WALK_STEP_X +: 32];
    wire [31:0] step_y   = cfg_walk[32*`LOAS_WALK_STEP_Y +: 32];

    // ----------------------------------------------------------------------------------------------- the pixel at hand
    localparam integer ENGINE = 0, PARAMS = 1, STATE = 2, KEPT = 3;
    localparam integer PARTS  = 4;

    reg  [PARTS-1:0]  todo_reg;          // who has not yet taken it
    reg               more_reg;          // pixels of the pooling window remain
    reg  [7:0]        pool_y_reg;        // the pixel's place in it
    reg  [7:0]        pool_x_reg;
    reg  [31:0]       line_addr_reg;     // first window of the line
    reg  [17:0]       line_x_reg;
    reg  [31:0]       a_addr_reg;
    reg  [17:0]       y_reg;
    reg  [17:0]       x_reg;
    reg  [31:0]       a_addr2_reg;
    reg  [17:0]       y2_reg;
    reg  [17:0]       x2_reg;
    reg  [31:0]       state_reg;
    reg  [31:0]       params_reg;
    reg  [31:0]       masks_reg;
    reg  [31:0]       weights_reg;
    reg  [31:0]       nnz_reg;
    reg  [10:0]       cols_reg;
    reg  [SLOT_W-1:0] slot_reg;
    reg  [ADDR_W-1:0] out_addr_reg;
    reg  [1:0]        tag_reg;

    reg  [1:0]        kept_reg;          // pixels that are remembered

    wire [PARTS-1:0] ready     = {kept_reg != 2'd2, state_ready, params_ready, engine_ready};
    wire             take      = task_valid && task_ready;
    wire             free      = todo_reg == {PARTS{1'b0}} && !more_reg;
    wire             next      = todo_reg == {PARTS{1'b0}} && more_reg;
    wire             pool_end  = pool_x_reg + 8'd1 == pool_w;          // of a line of the pooling window
    wire [7:0]       next_py   = pool_end ? pool_y_reg + 8'd1 : pool_y_reg;
    wire [7:0]       next_px   = pool_end ? 8'd0 : pool_x_reg + 8'd1;
    wire [31:0]      next_line = line_addr_reg + step_y;

    assign engine_valid = todo_reg[ENGINE];
    assign params_valid = todo_reg[PARAMS];
    assign state_valid  = todo_reg[STATE];
    assign job_a_addr   = a_addr_reg;
    assign job_y        = y_reg;
    assign job_x        = x_reg;
    assign job_a_addr2  = a_addr2_reg;
    assign job_y2       = y2_reg;
    assign job_x2       = x2_reg;
    assign job_state    = state_reg;
    assign job_params   = params_reg;
    assign job_masks    = masks_reg;
    assign job_weights  = weights_reg;
    assign job_nnz      = nnz_reg;
    assign job_cols     = cols_reg;
    assign job_tag      = tag_reg;

    generate
        if (DEEP != 0) begin : gen_ready_cut
            reg ready_reg;
            assign task_ready = ready_reg;
            always @(posedge clk) ready_reg <= free && !take && !rst;
        end else begin : gen_ready
            assign task_ready = free;
        end
    endgenerate

    always @(posedge clk) begin
        todo_reg <= todo_reg & ~ready;
        if (next) begin
            todo_reg   <= {PARTS{1'b1}};
            pool_y_reg <= next_py;
            pool_x_reg <= next_px;
            more_reg   <= !(next_py + 8'd1 == pool_h && next_px + 8'd1 == pool_w);
            a_addr_reg <= pool_end ? next_line : a_addr_reg + step_x;
            x_reg      <= pool_end ? line_x_reg : x_reg + {10'd0, stride_x};
            state_reg  <= state_reg + cfg_state_stride;
            if (pool_end) begin
                line_addr_reg <= next_line;
                y_reg         <= y_reg + {10'd0, stride_y};
            end
        end
        if (take) begin
            todo_reg      <= {PARTS{1'b1}};
            more_reg      <= !(pool_h == 8'd1 && pool_w == 8'd1);
            pool_y_reg    <= 8'd0;
            pool_x_reg    <= 8'd0;
            a_addr_reg    <= task_a_addr;
            line_addr_reg <= task_a_addr;
            y_reg         <= task_y;
            x_reg         <= task_x;
            line_x_reg    <= task_x;
            a_addr2_reg   <= task_a_addr2;
            y2_reg        <= task_y2;
            x2_reg        <= task_x2;
            state_reg     <= task_state;
            params_reg    <= task_params;
            masks_reg     <= task_masks;
            weights_reg   <= task_weights;
            nnz_reg       <= task_nnz;
            cols_reg      <= task_cols;
            slot_reg      <= task_slot;
            out_addr_reg  <= task_out_addr;
        end
        if (take || next) tag_reg <= tag_reg + 2'd1;
        if (rst) begin
            todo_reg <= {PARTS{1'b0}};
            more_reg <= 1'b0;
            tag_reg  <= 2'd3;         // the first pixel is number 0
        end
    end

    // ----------------------------------------------------------------------------- pixels remembered for their outputs
    reg               out_reg;           // place of the older one; pixel n is in place n mod 2
    reg [31:0]        kept_params_reg [0:1];
    reg [31:0]        kept_state_reg  [0:1];
    reg [SLOT_W-1:0]  kept_slot_reg   [0:1];
    reg [ADDR_W-1:0]  kept_addr_reg   [0:1];
    reg [1:0]         kept_first_reg;    // first pixel of the pooling window
    reg [1:0]         kept_last_reg;

    wire keep = todo_reg[KEPT] && ready[KEPT];

    assign sum_params     = kept_params_reg[out_reg];
    assign sum_state_addr = kept_state_reg[out_reg];
    assign sum_slot       = kept_slot_reg[out_reg];
    assign sum_out_addr   = kept_addr_reg[out_reg];
    assign sum_pool_first = kept_first_reg[out_reg];
    assign sum_pool_last  = kept_last_reg[out_reg];
    assign find_params    = find_tag == tag_reg ? params_reg : kept_params_reg[find_tag[0]];

    always @(posedge clk) begin
        if (keep && !done) kept_reg <= kept_reg + 2'd1;
        if (done && !keep) kept_reg <= kept_reg - 2'd1;
        if (keep) begin
            kept_params_reg[tag_reg[0]] <= params_reg;
            kept_state_reg[tag_reg[0]]  <= state_reg;
            kept_slot_reg[tag_reg[0]]   <= slot_reg;
            kept_addr_reg[tag_reg[0]]   <= out_addr_reg;
            kept_first_reg[tag_reg[0]]  <= pool_y_reg == 8'd0 && pool_x_reg == 8'd0;
            kept_last_reg[tag_reg[0]]   <= !more_reg;
        end
        if (done) out_reg <= !out_reg;
        if (rst) begin
            kept_reg <= 2'd0;
            out_reg  <= 1'b0;
        end
    end

    wire unused_ok = &{1'b0, cfg_walk};

endmodule

`resetall
