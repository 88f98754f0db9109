// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Laggy prefix sum: running counts of a bitmask, one slice a cycle with one small adder tree.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: `start` is taken when busy is low, with mask and base in that cycle (the first slice is counted at once). W
// / SLICE_W cycles later done is high for one cycle, with slice_base[i] = base + ones of mask below slice i, at
// [i*BASE_W +: BASE_W], and total = base + ones of mask. They hold until the cycle after the next start is taken. busy
// is low again in the cycle of done, in which the next start may come: a chunk every W / SLICE_W cycles. Sums are
// modulo 2^BASE_W: base + W must fit. A start while busy is ignored.
module loas_prefix_laggy #(
    parameter integer W       = 128,  // multiple of SLICE_W
    parameter integer SLICE_W = 16,   // bits counted a cycle: area against latency
    parameter integer BASE_W  = 14
) (
    input  wire                            clk,
    input  wire                            rst,

    input  wire                            start,
    input  wire [W-1:0]                    mask,
    input  wire [BASE_W-1:0]               base,
    output wire                            busy,

    output wire                            done,
    output wire [(W/SLICE_W)*BASE_W-1:0]   slice_base,
    output wire [BASE_W-1:0]               total
);

    localparam integer NUM_SLICES = W / SLICE_W;
    localparam integer COUNT_W    = $clog2(SLICE_W + 1);

    reg               done_reg;
    reg  [BASE_W-1:0] sum_reg;

    wire                take = start && !busy;
    wire                step = take || busy;
    wire [SLICE_W-1:0]  slice;
    wire [COUNT_W-1:0]  ones;
    wire [BASE_W-1:0]   below = take ? base : sum_reg;

    loas_popcount #(.W(SLICE_W)) popcount_inst (.in(slice), .count(ones));

    assign done  = done_reg;
    assign total = sum_reg;

    generate
        if (SLICE_W < 1 || W < SLICE_W || W != NUM_SLICES * SLICE_W) begin : gen_illegal_w
            loas_prefix_laggy_W_must_be_a_multiple_of_SLICE_W rule_inst ();
        end
        if (BASE_W < COUNT_W) begin : gen_illegal_base
            loas_prefix_laggy_BASE_W_must_hold_the_ones_of_a_slice rule_inst ();
        end

        wire [BASE_W-1:0] ones_ext;
        if (BASE_W > COUNT_W) begin : gen_ext
            assign ones_ext = {{(BASE_W - COUNT_W){1'b0}}, ones};
        end else begin : gen_same
            assign ones_ext = ones;
        end

        if (NUM_SLICES == 1) begin : gen_single
            reg [BASE_W-1:0] base_reg;
            assign busy       = 1'b0;
            assign slice      = mask;
            assign slice_base = base_reg;
            always @(posedge clk) begin
                if (step) base_reg <= below;
                done_reg <= take;
                if (rst) done_reg <= 1'b0;
            end
        end else begin : gen_many
            localparam integer LEFT_W = $clog2(NUM_SLICES);
            localparam integer LAST   = NUM_SLICES - 1;

            // Slices and results move through shift registers: no slice multiplexer and no address decoder.
            reg [W-SLICE_W-1:0]          rest_reg;   // slices not yet counted
            reg [NUM_SLICES*BASE_W-1:0]  base_reg;   // slice 0 ends at the low end
            reg [LEFT_W-1:0]             left_reg;   // slices left

            assign busy       = left_reg != {LEFT_W{1'b0}};
            assign slice      = take ? mask[SLICE_W-1:0] : rest_reg[SLICE_W-1:0];
            assign slice_base = base_reg;

            always @(posedge clk) begin
                if (step) begin
                    rest_reg <= take ? mask[W-1:SLICE_W] : rest_reg >> SLICE_W;
                    base_reg <= {below, base_reg[NUM_SLICES*BASE_W-1:BASE_W]};
                    left_reg <= take ? LAST[LEFT_W-1:0] : left_reg - 1'b1;
                end
                done_reg <= busy && left_reg == {{(LEFT_W - 1){1'b0}}, 1'b1};
                if (rst) begin
                    left_reg <= {LEFT_W{1'b0}};
                    done_reg <= 1'b0;
                end
            end
        end
    endgenerate

    always @(posedge clk) begin
        if (step) sum_reg <= below + ones_ext;
    end

endmodule

`resetall
