// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The sixteen 64-bit performance counters of a layer.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Contract: `clear` zeroes all counters; in every cycle with `run` high the events of that cycle are counted. Events
// are added up in one cycle and accumulated in the next, so the counters are final two (DEEP: three) cycles after `run`
// falls. Every TPPE raises exactly one of its eight kinds a cycle, hence matches + empty_chunks + stall_* + idle =
// cycles * NUM_TPPES. 64 bits do not wrap: at 4095 events a cycle and 800 MHz they last 178 years.
module loas_perf #(
    parameter integer NUM_TPPES = 16,
    parameter integer CACHE_W   = 5,   // width of the cache's event counts
    parameter integer BYTES_W   = 8,   // width of the bytes of one cycle
    parameter integer DEEP      = 0    // 1: everything is counted a cycle later, for the slow wires of an FPGA
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 clear,
    input  wire                 run,

    // one bit a TPPE
    input  wire [NUM_TPPES-1:0] ev_match,
    input  wire [NUM_TPPES-1:0] ev_empty,
    input  wire [NUM_TPPES-1:0] ev_stall_a,
    input  wire [NUM_TPPES-1:0] ev_stall_b,
    input  wire [NUM_TPPES-1:0] ev_stall_weight,
    input  wire [NUM_TPPES-1:0] ev_stall_laggy,
    input  wire [NUM_TPPES-1:0] ev_stall_out,
    input  wire [NUM_TPPES-1:0] ev_idle,
    input  wire [NUM_TPPES-1:0] ev_correction,

    // counts of this cycle
    input  wire [CACHE_W-1:0]   ev_hits,
    input  wire [CACHE_W-1:0]   ev_misses,
    input  wire [CACHE_W-1:0]   ev_fetches,
    input  wire [BYTES_W-1:0]   ev_bytes_read,
    input  wire [BYTES_W-1:0]   ev_bytes_written,
    input  wire                 ev_row,

    output wire [1023:0]        counters   // counter i at 64 i
);

    localparam integer COUNT_W = $clog2(NUM_TPPES + 1);
    localparam integer INC_W   = 12;  // holds every count of a cycle

    localparam integer EVENTS_W = 9 * NUM_TPPES + 3 * CACHE_W + 2 * BYTES_W + 1;

    wire [16*INC_W-1:0]    inc;
    wire [EVENTS_W-1:0]    events = {
        ev_row, ev_bytes_written, ev_bytes_read, ev_fetches, ev_misses, ev_hits,
        ev_correction, ev_idle, ev_stall_out, ev_stall_laggy,
        ev_stall_weight, ev_stall_b, ev_stall_a, ev_empty, ev_match
    };
    wire                   now;      // events are of a cycle with run
    wire                   row;
    wire [2*BYTES_W-1:0]   bytes;
    wire [3*CACHE_W-1:0]   cache;
    wire [9*NUM_TPPES-1:0] tppe_events;

    generate
        if (DEEP != 0) begin : gen_cut
            reg                now_reg;
            reg [EVENTS_W-1:0] events_reg;
            assign now = now_reg;
            assign {row, bytes, cache, tppe_events} = events_reg;
            always @(posedge clk) begin
                now_reg    <= run & ~clear & ~rst;
                events_reg <= events;
            end
        end else begin : gen_direct
            assign now = run;
            assign {row, bytes, cache, tppe_events} = events;
        end
    endgenerate

    assign inc[`LOAS_CNT_CYCLES*INC_W +: INC_W] = {{INC_W-1{1'b0}}, 1'b1};

    genvar g;
    generate
        for (g = 0; g < 9; g = g + 1) begin : gen_tppe_event
            // counters MATCHES to CORRECTIONS have the order of tppe_events
            wire [COUNT_W-1:0] count;
            loas_popcount #(
                .W(NUM_TPPES)
            ) popcount_inst (
                .in    (tppe_events[g*NUM_TPPES +: NUM_TPPES]),
                .count (count)
            );
            assign inc[(`LOAS_CNT_MATCHES + g)*INC_W +: INC_W] = {{INC_W-COUNT_W{1'b0}}, count};
        end
    endgenerate

    assign inc[`LOAS_CNT_CACHE_HITS*INC_W    +: INC_W] = {{INC_W-CACHE_W{1'b0}}, cache[CACHE_W-1:0]};
    assign inc[`LOAS_CNT_CACHE_MISSES*INC_W  +: INC_W] = {{INC_W-CACHE_W{1'b0}}, cache[CACHE_W +: CACHE_W]};
    assign inc[`LOAS_CNT_FETCHES*INC_W       +: INC_W] = {{INC_W-CACHE_W{1'b0}}, cache[2*CACHE_W +: CACHE_W]};
    assign inc[`LOAS_CNT_BYTES_READ*INC_W    +: INC_W] = {{INC_W-BYTES_W{1'b0}}, bytes[BYTES_W-1:0]};
    assign inc[`LOAS_CNT_BYTES_WRITTEN*INC_W +: INC_W] = {{INC_W-BYTES_W{1'b0}}, bytes[BYTES_W +: BYTES_W]};
    assign inc[`LOAS_CNT_ROWS*INC_W          +: INC_W] = {{INC_W-1{1'b0}}, row};

    reg                run_reg;
    reg [16*INC_W-1:0] inc_reg;

    always @(posedge clk) begin
        run_reg <= now & ~clear;
        if (now) inc_reg <= inc;
        if (rst) run_reg <= 1'b0;
    end

    generate
        for (g = 0; g < 16; g = g + 1) begin : gen_counter
            reg [63:0] count_reg;
            always @(posedge clk) begin
                if (rst | clear)  count_reg <= 64'd0;
                else if (run_reg) count_reg <= count_reg + {{64-INC_W{1'b0}}, inc_reg[g*INC_W +: INC_W]};
            end
            assign counters[g*64 +: 64] = count_reg;
        end
    endgenerate

endmodule

`resetall
