// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 output register in the cell of a pin, for simulation.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module OFS1P3DX (
    input  wire D,
    input  wire SP,
    input  wire SCLK,
    input  wire CD,
    output reg  Q
);

    initial Q = 1'b0;

    always @(posedge SCLK or posedge CD) begin
        if (CD) Q <= 1'b0;
        else if (SP) Q <= D;
    end

endmodule

`resetall
