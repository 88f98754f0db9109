// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Of the errors that a TPPE finds in one cycle, the one it reports.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: an error of the row goes before one of the block that the engine finds, and that before a record that does
// not fit. With DEEP what may be reported is kept first, and chosen from a cycle later.
module loas_tppe_errors #(
    parameter integer DEEP = 0     // 1: 99 flip-flops
) (
    input  wire        clk,
    input  wire        rst,

    input  wire        row_bad,
    input  wire [31:0] row_addr,
    input  wire        block_bad,
    input  wire [31:0] block_addr,
    input  wire        record_bad,
    input  wire [31:0] record_addr,

    output wire        err_fiber_a,
    output wire        err_fiber_b,
    output wire [31:0] err_addr
);

    wire [2:0]  bad;      // record, block, row
    wire [95:0] addr;

    generate
        if (DEEP != 0) begin : gen_cut
            reg [2:0]  bad_reg;
            reg [95:0] addr_reg;
            assign bad  = bad_reg;
            assign addr = addr_reg;
            always @(posedge clk) begin
                bad_reg  <= {record_bad, block_bad, row_bad};
                addr_reg <= {record_addr, block_addr, row_addr};
                if (rst) bad_reg <= 3'd0;
            end
        end else begin : gen_wires
            assign bad  = {record_bad, block_bad, row_bad};
            assign addr = {record_addr, block_addr, row_addr};
            wire unused_ok = &{1'b0, clk, rst};
        end
    endgenerate

    assign err_fiber_a = bad[0];
    assign err_fiber_b = !bad[0] && |bad[2:1];
    assign err_addr    = bad[0] ? addr[31:0] : bad[1] ? addr[63:32] : addr[95:64];

endmodule

`resetall
