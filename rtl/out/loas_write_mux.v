// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Shares the write master between sources of commands and chunks.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: each of N sources has commands and, in the same order, their chunks. Commands are taken round robin, one in
// two cycles at most, and go on in that order, held until taken; the chunks of a command leave together. A source's
// chunks may come later than its command, and hold up the others until they do. idle: no chunks are owed and no command
// waits here.
module loas_write_mux #(
    parameter integer N       = 2,
    parameter integer CHUNK_W = 128
) (
    input  wire                 clk,
    input  wire                 rst,
    output wire                 idle,

    input  wire [N-1:0]         s_cmd_valid,
    output wire [N-1:0]         s_cmd_ready,
    input  wire [N*32-1:0]      s_cmd_addr,
    input  wire [N*17-1:0]      s_cmd_chunks,
    input  wire [N-1:0]         s_wr_valid,
    output wire [N-1:0]         s_wr_ready,
    input  wire [N*CHUNK_W-1:0] s_wr_data,

    output wire                 cmd_valid,
    input  wire                 cmd_ready,
    output wire [31:0]          cmd_addr,
    output wire [16:0]          cmd_chunks,
    output wire                 wr_valid,
    input  wire                 wr_ready,
    output wire [CHUNK_W-1:0]   wr_data
);

    reg        cmd_valid_reg;
    reg [31:0] cmd_addr_reg;
    reg [16:0] cmd_chunks_reg;
    reg [16:0] sent_reg;          // chunks of the command at the head that have left

    wire [N-1:0]      grant;
    wire              order_ready, order_valid;
    wire [N-1:0]      source;     // one-hot, whose chunks are due
    wire [16:0]       chunks;
    wire              pick = |s_cmd_valid && order_ready && !cmd_valid_reg;
    wire              last = sent_reg + 17'd1 == chunks;
    wire              move = wr_valid && wr_ready;

    // what was granted, and whose turn it is: chains of ANDs and ORs
    wire [(N+1)*49-1:0]      cmd_chain;
    wire [(N+1)*CHUNK_W-1:0] data_chain;
    genvar i;
    generate
        assign cmd_chain[48:0] = 49'd0;
        assign data_chain[CHUNK_W-1:0] = {CHUNK_W{1'b0}};
        for (i = 0; i < N; i = i + 1) begin : gen_source
            assign cmd_chain[49*(i+1) +: 49] = cmd_chain[49*i +: 49]
                | ({s_cmd_chunks[17*i +: 17], s_cmd_addr[32*i +: 32]} & {49{grant[i]}});
            assign data_chain[CHUNK_W*(i+1) +: CHUNK_W] = data_chain[CHUNK_W*i +: CHUNK_W]
                | (s_wr_data[CHUNK_W*i +: CHUNK_W] & {CHUNK_W{source[i]}});
        end
    endgenerate
    wire [48:0] granted = cmd_chain[49*N +: 49];

    loas_arb_rr #(.N(N)) arb_inst (.clk(clk), .rst(rst), .req(s_cmd_valid), .advance(pick), .grant(grant));

    wire [2:0] level;
    loas_fifo #(.W(N + 17), .DEPTH(4)) order_inst (
        .clk(clk), .rst(rst), .s_valid(pick), .s_ready(order_ready), .s_data({granted[48:32], grant}),
        .m_valid(order_valid), .m_ready(move && last), .m_data({chunks, source}), .level(level)
    );

    assign s_cmd_ready = pick ? grant : {N{1'b0}};
    assign s_wr_ready  = order_valid && wr_ready ? source : {N{1'b0}};
    assign cmd_valid   = cmd_valid_reg;
    assign cmd_addr    = cmd_addr_reg;
    assign cmd_chunks  = cmd_chunks_reg;
    assign wr_valid    = order_valid && |(source & s_wr_valid);
    assign wr_data     = data_chain[CHUNK_W*N +: CHUNK_W];
    assign idle        = level == 3'd0 && !cmd_valid_reg;

    always @(posedge clk) begin
        if (cmd_ready) cmd_valid_reg <= 1'b0;
        if (pick) begin
            cmd_valid_reg  <= 1'b1;
            {cmd_chunks_reg, cmd_addr_reg} <= granted;
        end
        if (move) sent_reg <= last ? 17'd0 : sent_reg + 17'd1;
        if (rst) begin
            cmd_valid_reg <= 1'b0;
            sent_reg      <= 17'd0;
        end
    end

endmodule

`resetall
