// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 output register in the cell of a pin, one at the start, for simulation.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module OFS1P3BX (
    input  wire D,
    input  wire SP,
    input  wire SCLK,
    input  wire PD,
    output reg  Q
);

    initial Q = 1'b1;

    always @(posedge SCLK or posedge PD) begin
        if (PD) Q <= 1'b1;
        else if (SP) Q <= D;
    end

endmodule

`resetall
