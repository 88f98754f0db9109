// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// A small board, whole, with its serial port at standard input and output (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: loas_board with block RAM only, a clock, a reset and loas_pty at its UART pins. Runs until it is killed.
module loas_board_tb #(
    parameter integer T            = 4,
    parameter integer NUM_TPPES    = 2,
    parameter integer CHUNK_W      = 32,
    parameter integer WINDOW       = 2,
    parameter integer SLICE_W      = 8,
    parameter integer WEIGHT_W     = 8,
    parameter integer ACC_W        = 16,
    parameter integer MEM_W        = 24,
    parameter integer K_MAX        = 512,
    parameter integer LAGGY        = 1,
    parameter integer SEQUENTIAL   = 0,
    parameter integer DEEP         = 0,
    parameter integer FIFO_DEPTH   = 8,
    parameter integer INDEX_RATE   = 2,
    parameter integer CARRY        = 1,
    parameter integer AXI_W        = 32,
    parameter integer LINE_W       = 128,
    parameter integer NUM_BANKS    = 2,
    parameter integer NUM_WAYS     = 2,
    parameter integer NUM_SETS     = 4,
    parameter integer OUTSTANDING  = 4,
    parameter integer OUT_ENTRIES  = 256,
    parameter integer NUM_SLOTS    = 8,
    parameter integer RAM_BYTES    = 131072,
    parameter integer CLK_HZ       = 50000000,
    parameter integer BAUD         = 12500000,   // 4 cycles a bit
    parameter [31:0]  BITSTREAM_ID = 32'd0
);

    localparam [31:0] BOARD_ID = "LMIS";  // reads SIML: the first character is in the lowest byte

    reg  clk;
    reg  rst;
    wire to_board;
    wire from_board;

    loas_board #(
        .T(T),
        .NUM_TPPES(NUM_TPPES),
        .CHUNK_W(CHUNK_W),
        .WINDOW(WINDOW),
        .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W),
        .ACC_W(ACC_W),
        .MEM_W(MEM_W),
        .K_MAX(K_MAX),
        .LAGGY(LAGGY),
        .SEQUENTIAL(SEQUENTIAL),
        .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH),
        .INDEX_RATE(INDEX_RATE),
        .CARRY(CARRY),
        .AXI_W(AXI_W),
        .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS),
        .NUM_WAYS(NUM_WAYS),
        .NUM_SETS(NUM_SETS),
        .OUTSTANDING(OUTSTANDING),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .RAM_BYTES(RAM_BYTES),
        .SDRAM_EN(0),
        .CLK_HZ(CLK_HZ),
        .BAUD(BAUD),
        .BOARD_ID(BOARD_ID),
        .BITSTREAM_ID(BITSTREAM_ID)
    ) board_inst (
        .clk(clk),
        .rst(rst),
        .uart_rxd(to_board),
        .uart_txd(from_board),
        .irq(),
        .sdram_cke(),
        .sdram_cs_n(),
        .sdram_ras_n(),
        .sdram_cas_n(),
        .sdram_we_n(),
        .sdram_ba(),
        .sdram_a(),
        .sdram_dqm(),
        .sdram_dq_out(),
        .sdram_dq_oe(),
        .sdram_dq_in(16'd0)
    );

    loas_pty #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) host_inst (.clk(clk), .rst(rst), .rxd(from_board), .txd(to_board));

    initial clk = 1'b0;
    always #10 clk = !clk;

    initial begin
        rst = 1'b1;
        repeat (8) @(negedge clk);
        rst = 1'b0;
    end

endmodule

`resetall
