// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Small synchronous FIFO in registers, first word falls through.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a word written in one cycle is at m_data in the next. s_ready is "not full" and m_valid "not empty", both
// from registers only, so a full FIFO takes nothing in the cycle in which it is read: DEPTH = 1 moves a word every
// other cycle, DEPTH >= 2 a word a cycle. Order is kept; m_data is undefined while empty. W and DEPTH cost W * DEPTH
// flip-flops and a read multiplexer: use loas_fifo_ram for deep ones.
module loas_fifo #(
    parameter integer W     = 8,
    parameter integer DEPTH = 4    // any from 1
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire                           s_valid,
    output wire                           s_ready,
    input  wire [W-1:0]                   s_data,

    output wire                           m_valid,
    input  wire                           m_ready,
    output wire [W-1:0]                   m_data,

    output wire [$clog2(DEPTH+1)-1:0]     level    // words held
);

    localparam integer PTR_W   = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam integer LEVEL_W = $clog2(DEPTH + 1);
    localparam integer LAST    = DEPTH - 1;

    generate
        if (W < 1 || DEPTH < 1) begin : gen_illegal
            loas_fifo_W_and_DEPTH_must_be_at_least_1 rule_inst ();
        end
    endgenerate

    reg [W-1:0]       mem [0:DEPTH-1];
    reg [PTR_W-1:0]   wr_ptr_reg;
    reg [PTR_W-1:0]   rd_ptr_reg;
    reg [LEVEL_W-1:0] level_reg;

    wire push = s_valid && s_ready;
    wire pop  = m_valid && m_ready;

    assign s_ready = level_reg != DEPTH[LEVEL_W-1:0];
    assign m_valid = level_reg != {LEVEL_W{1'b0}};
    assign m_data  = mem[rd_ptr_reg];
    assign level   = level_reg;

    always @(posedge clk) begin
        if (push) begin
            mem[wr_ptr_reg] <= s_data;
            wr_ptr_reg <= wr_ptr_reg == LAST[PTR_W-1:0] ? {PTR_W{1'b0}} : wr_ptr_reg + 1'b1;
        end
        if (pop) rd_ptr_reg <= rd_ptr_reg == LAST[PTR_W-1:0] ? {PTR_W{1'b0}} : rd_ptr_reg + 1'b1;
        if (push && !pop) level_reg <= level_reg + 1'b1;
        if (pop && !push) level_reg <= level_reg - 1'b1;
        if (rst) begin
            wr_ptr_reg <= {PTR_W{1'b0}};
            rd_ptr_reg <= {PTR_W{1'b0}};
            level_reg  <= {LEVEL_W{1'b0}};
        end
    end

endmodule

`resetall
