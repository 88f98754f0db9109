// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Lattice ECP5 bidirectional pin, for simulation.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module BB (
    input  wire I,
    input  wire T,
    output wire O,
    inout  wire B
);

    assign B = T ? 1'bz : I;
    assign O = B;

endmodule

`resetall
