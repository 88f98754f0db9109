// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Gathers the membranes that a task leaves behind, and hands them over as one write command.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a network with more timesteps than the machine runs in chunks of them, and what the neurons remember goes
// through memory. Neurons leave the P-LIF one at a time; memory wants bursts, and the write path must not wait for a
// slow task.
//
// Contract: the neurons of a task come at s_*, s_last with the last, at most COLS; its address at a_*, in the order of
// the tasks, at any time before or after. When all are there, one command leaves at cmd_*, and then its chunks at wr_*,
// 32 bits a neuron, the first lowest, the rest of the last chunk zero: what is written depends on nothing before. The
// next task's neurons wait meanwhile: s_ready is low. idle: nothing is held, and no address waits.
module loas_state_writer #(
    parameter integer CHUNK_W = 128,
    parameter integer COLS    = 64      // neurons of a task: a memory of 32 * COLS bits
) (
    input  wire               clk,
    input  wire               rst,
    output wire               idle,

    input  wire               a_valid,
    output wire               a_ready,
    input  wire [31:0]        a_addr,

    input  wire               s_valid,
    output wire               s_ready,
    input  wire [31:0]        s_state,
    input  wire               s_last,

    output wire               cmd_valid,
    input  wire               cmd_ready,
    output wire [31:0]        cmd_addr,
    output wire [16:0]        cmd_chunks,
    output wire               wr_valid,
    input  wire               wr_ready,
    output wire [CHUNK_W-1:0] wr_data
);

    localparam integer PARTS  = CHUNK_W / 32;
    localparam integer PART_W = PARTS > 1 ? $clog2(PARTS) : 1;
    localparam integer CHUNKS = COLS / PARTS;
    localparam integer INDEX_W = CHUNKS > 1 ? $clog2(CHUNKS) : 1;
    localparam integer LAST_PART = PARTS - 1;

    generate
        if (CHUNK_W < 32 || COLS < PARTS || COLS != 1 << $clog2(COLS)
            || CHUNK_W != 1 << $clog2(CHUNK_W)) begin : gen_illegal
            loas_state_writer_COLS_must_be_a_power_of_two_of_a_chunk_or_more rule_inst ();
        end
    endgenerate

    localparam [1:0] FILL = 2'd0, COMMAND = 2'd1, SEND = 2'd2;

    reg [1:0]         phase_reg;
    reg [CHUNK_W-1:0] mem [0:CHUNKS-1];
    reg [CHUNK_W-1:0] part_reg;       // neurons of the chunk so far
    reg [PART_W-1:0]  pos_reg;
    reg [INDEX_W-1:0] index_reg;      // chunk being filled or sent
    reg [INDEX_W-1:0] last_reg;       // the task's last chunk

    wire [31:0] addr;
    wire        addr_valid;
    wire [2:0]  level;
    wire        take   = s_valid && s_ready;
    wire        full   = pos_reg == LAST_PART[PART_W-1:0] || s_last;
    wire        sent   = wr_valid && wr_ready && index_reg == last_reg;

    loas_fifo #(.W(32), .DEPTH(4)) addr_inst (
        .clk(clk), .rst(rst), .s_valid(a_valid), .s_ready(a_ready), .s_data(a_addr),
        .m_valid(addr_valid), .m_ready(cmd_valid && cmd_ready), .m_data(addr), .level(level)
    );

    reg [CHUNK_W-1:0] chunk;
    always @* begin
        chunk = pos_reg == {PART_W{1'b0}} ? {CHUNK_W{1'b0}} : part_reg;
        chunk[pos_reg*32 +: 32] = s_state;
    end

    assign idle       = phase_reg == FILL && index_reg == {INDEX_W{1'b0}} && pos_reg == {PART_W{1'b0}} && level == 3'd0;
    assign s_ready    = phase_reg == FILL;
    assign cmd_valid  = phase_reg == COMMAND && addr_valid;
    assign cmd_addr   = addr;
    assign cmd_chunks = {{(17-INDEX_W){1'b0}}, last_reg} + 17'd1;
    assign wr_valid   = phase_reg == SEND;
    assign wr_data    = mem[index_reg];

    always @(posedge clk) begin
        if (take) begin
            part_reg <= chunk;
            pos_reg  <= full ? {PART_W{1'b0}} : pos_reg + 1'b1;
            if (full) mem[index_reg] <= chunk;
            if (s_last) begin
                phase_reg <= COMMAND;
                last_reg  <= index_reg;
                index_reg <= {INDEX_W{1'b0}};
            end else if (full) begin
                index_reg <= index_reg + 1'b1;
            end
        end
        if (cmd_valid && cmd_ready) phase_reg <= SEND;
        if (wr_valid && wr_ready) index_reg <= sent ? {INDEX_W{1'b0}} : index_reg + 1'b1;
        if (sent) phase_reg <= FILL;
        if (rst) begin
            phase_reg <= FILL;
            pos_reg   <= {PART_W{1'b0}};
            index_reg <= {INDEX_W{1'b0}};
        end
    end

endmodule

`resetall
