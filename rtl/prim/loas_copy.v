// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// A register's copy beside those who read it, or wires.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: what control says goes to every TPPE, and a placer that shortens wires pulls the logic that reads it towards
// control.
//
// Contract: with COPY = 1 `out` is `in` a cycle later, in registers that synthesis does not share with those of other
// copies (keep); with COPY = 0 it is `in`. For what changes only while nobody reads it.
module loas_copy #(
    parameter integer W    = 32,
    parameter integer COPY = 0     // 1: W flip-flops
) (
    input  wire         clk,
    input  wire [W-1:0] in,
    output wire [W-1:0] out
);

    generate
        if (COPY != 0) begin : gen_copy
            reg [W-1:0] copy_reg;
            assign out = copy_reg;
            (* keep *) always @(posedge clk) copy_reg <= in;
        end else begin : gen_wire
            assign out = in;
            wire unused_clk = clk;
        end
    endgenerate

endmodule

`resetall
