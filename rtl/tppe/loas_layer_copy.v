// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// What the layer tells a TPPE, with DEEP in registers of the TPPE's own.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_defs.vh"

// Problem: the control drives these values to every TPPE, over long wires. With DEEP each TPPE keeps a copy of the
// words that it reads.
//
// Contract: the outputs are the inputs, with DEEP those of the cycle before: the inputs are stable from the cycle
// before the first task of a layer until its last sum has left. Words that nobody reads are wires.
module loas_layer_copy #(
    parameter integer CHUNKS_W = 7,
    parameter integer CARRY    = 1,
    parameter integer DEEP     = 0     // 1: some 400 flip-flops
) (
    input  wire                clk,

    input  wire [CHUNKS_W-1:0] cfg_chunks,
    input  wire [511:0]        cfg_walk,
    input  wire [511:0]        cfg_branch,
    input  wire                cfg_index,
    input  wire                cfg_carry_in,
    input  wire [31:0]         cfg_state_stride,

    output wire [CHUNKS_W-1:0] chunks,
    output wire [511:0]        walk,
    output wire [511:0]        branch,
    output wire                index,
    output wire                carry_in,
    output wire [31:0]         state_stride
);

    localparam [15:0] WALK_WORDS = 16'd1 << `LOAS_WALK_KERNEL | 16'd1 << `LOAS_WALK_IN_SIZE | 16'd1 << `LOAS_WALK_PITCH
                                 | 16'd1 << `LOAS_WALK_ROW_BYTES | 16'd1 << `LOAS_WALK_PAD | 16'd1 << `LOAS_WALK_BRANCH
                                 | 16'd1 << `LOAS_WALK_POOL | 16'd1 << `LOAS_WALK_STEP_X | 16'd1 << `LOAS_WALK_STEP_Y;
    localparam [15:0] BRANCH_WORDS = 16'd1 << `LOAS_WALK_KERNEL | 16'd1 << `LOAS_WALK_IN_SIZE
                                   | 16'd1 << `LOAS_WALK_PITCH | 16'd1 << `LOAS_WALK_ROW_BYTES
                                   | 16'd1 << `LOAS_WALK_PAD;

    genvar word;
    generate
        for (word = 0; word < 16; word = word + 1) begin : gen_word
            loas_copy #(.COPY(DEEP != 0 && WALK_WORDS[word] ? 1 : 0)) walk_inst (
                .clk(clk), .in(cfg_walk[32*word +: 32]), .out(walk[32*word +: 32])
            );
            loas_copy #(.COPY(DEEP != 0 && BRANCH_WORDS[word] ? 1 : 0)) branch_inst (
                .clk(clk), .in(cfg_branch[32*word +: 32]), .out(branch[32*word +: 32])
            );
        end
    endgenerate

    loas_copy #(.W(CHUNKS_W + 2), .COPY(DEEP)) layer_inst (
        .clk(clk), .in({cfg_chunks, cfg_index, cfg_carry_in}), .out({chunks, index, carry_in})
    );

    loas_copy #(.COPY(DEEP != 0 && CARRY != 0 ? 1 : 0)) stride_inst (
        .clk(clk), .in(cfg_state_stride), .out(state_stride)
    );

endmodule

`resetall
