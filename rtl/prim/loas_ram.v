// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// One-read one-write synchronous RAM, the only memory array of the machine.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a read takes one cycle; rd_data holds while rd_en is low. Reading an address in the cycle in which it is
// written returns the old data in simulation, and must not matter: block RAMs of some FPGAs return neither, and
// no_rw_check tells Yosys not to build registers and multiplexers around them for it (a tenth of a TPPE). Contents are
// undefined until written.
module loas_ram #(
    parameter integer W     = 32,
    parameter integer DEPTH = 16
) (
    input  wire                                      clk,
    input  wire                                      wr_en,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] wr_addr,
    input  wire [W-1:0]                              wr_data,
    input  wire                                      rd_en,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] rd_addr,
    output reg  [W-1:0]                              rd_data
);

    (* no_rw_check *) reg [W-1:0] mem [0:DEPTH-1];

    always @(posedge clk) begin
        if (wr_en) mem[wr_addr] <= wr_data;
        if (rd_en) rd_data <= mem[rd_addr];
    end

endmodule

`resetall
