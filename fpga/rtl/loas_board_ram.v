// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Single-port RAM with byte strobes: the image memory of a board.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: with `en` a cycle writes the bytes of `strb` (`write`), or reads: rd_data comes in the next cycle and holds
// until the next read; after a write it means nothing. FILE, when not empty, holds the contents after configuration:
// hexadecimal words of W bits for $readmemh, all DEPTH of them (scripts/fpga.py fills them up), so that every simulator
// starts like the board. One port, so that a block RAM of any FPGA fits, and the SPRAM of an iCE40UP5K (which cannot be
// initialised: no FILE there).
module loas_board_ram #(
    parameter integer W     = 64,
    parameter integer DEPTH = 1024,
    parameter         FILE  = ""
) (
    input  wire                                       clk,
    input  wire                                       en,
    input  wire                                       write,
    input  wire [W/8-1:0]                             strb,
    input  wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] addr,
    input  wire [W-1:0]                               wr_data,
    output reg  [W-1:0]                               rd_data
);

    generate
        if (W < 8 || W % 8 != 0 || DEPTH < 2) begin : gen_illegal
            loas_board_ram_W_must_be_whole_bytes_and_DEPTH_at_least_2 rule_inst ();
        end
    endgenerate

    reg [W-1:0] mem [0:DEPTH-1];

    integer b;
    always @(posedge clk) begin
        if (en && write) begin
            for (b = 0; b < W / 8; b = b + 1) if (strb[b]) mem[addr][8*b +: 8] <= wr_data[8*b +: 8];
        end
        if (en && !write) rd_data <= mem[addr];
    end

    generate
        if (FILE != "") begin : gen_file
            initial $readmemh(FILE, mem);
        end
    endgenerate

endmodule

`resetall
