// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 output register of two edges, for simulation.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: with D0 = 1, D1 = 0 the output is the clock; other data are not needed here, and refused.
module ODDRX1F (
    input  wire SCLK,
    input  wire RST,
    input  wire D0,
    input  wire D1,
    output wire Q
);

    assign Q = SCLK && D0 && !D1 && !RST;

endmodule

`resetall
