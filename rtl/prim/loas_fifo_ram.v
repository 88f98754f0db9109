// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Deep synchronous FIFO in a RAM, first word falls through, a word a cycle.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: as loas_fifo, but a word is at m_data two cycles after it was written. The read register of the RAM is the
// output register: it is refilled in the very cycle in which it is taken, so the throughput is a word a cycle. s_ready
// and m_valid come from registers only. Holds DEPTH words in all.
module loas_fifo_ram #(
    parameter integer W     = 8,
    parameter integer DEPTH = 16   // power of two, at least 4
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

    localparam integer PTR_W   = $clog2(DEPTH);
    localparam integer LEVEL_W = $clog2(DEPTH + 1);

    generate
        if (W < 1 || DEPTH < 4 || DEPTH != (1 << PTR_W)) begin : gen_illegal
            loas_fifo_ram_DEPTH_must_be_a_power_of_two_from_4 rule_inst ();
        end
    endgenerate

    reg [PTR_W-1:0]   wr_ptr_reg;
    reg [PTR_W-1:0]   rd_ptr_reg;
    reg [LEVEL_W-1:0] level_reg;       // words in RAM and output register
    reg [LEVEL_W-1:0] stored_reg;      // words in RAM that were not read yet
    reg               out_valid_reg;   // the RAM's read register holds a word

    wire push = s_valid && s_ready;
    wire pop  = m_valid && m_ready;
    wire load = stored_reg != {LEVEL_W{1'b0}} && (!out_valid_reg || m_ready);

    assign s_ready = !level_reg[PTR_W];  // the top bit is set at DEPTH only
    assign m_valid = out_valid_reg;
    assign level   = level_reg;

    loas_ram #(.W(W), .DEPTH(DEPTH)) ram_inst (
        .clk(clk),
        .wr_en(push), .wr_addr(wr_ptr_reg), .wr_data(s_data),
        .rd_en(load), .rd_addr(rd_ptr_reg), .rd_data(m_data)
    );

    always @(posedge clk) begin
        if (push) wr_ptr_reg <= wr_ptr_reg + 1'b1;
        if (load) rd_ptr_reg <= rd_ptr_reg + 1'b1;
        if (push && !pop) level_reg <= level_reg + 1'b1;
        if (pop && !push) level_reg <= level_reg - 1'b1;
        if (push && !load) stored_reg <= stored_reg + 1'b1;
        if (load && !push) stored_reg <= stored_reg - 1'b1;
        if (load) out_valid_reg <= 1'b1;
        else if (pop) out_valid_reg <= 1'b0;
        if (rst) begin
            wr_ptr_reg    <= {PTR_W{1'b0}};
            rd_ptr_reg    <= {PTR_W{1'b0}};
            level_reg     <= {LEVEL_W{1'b0}};
            stored_reg    <= {LEVEL_W{1'b0}};
            out_valid_reg <= 1'b0;
        end
    end

endmodule

`resetall
