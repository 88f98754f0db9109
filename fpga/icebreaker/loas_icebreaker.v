// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Top of the iCEBreaker (Lattice iCE40UP5K): reset, pins; runs at the board's 12 MHz.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: only what belongs to this board; everything else is in loas_board. Image memory is the four SPRAMs, 128 KB.
//
// Contract: FTDI channel B: uart_rx comes in, uart_tx goes out. btn_n is a reset (low: pressed). led_green_n shines
// (low) while the interrupt is up. The machine does not fit in this part: docs/fpga.md.
module loas_icebreaker #(
    parameter integer T            = 4,
    parameter integer NUM_TPPES    = 1,
    parameter integer CHUNK_W      = 32,
    parameter integer WINDOW       = 1,
    parameter integer SLICE_W      = 8,
    parameter integer WEIGHT_W     = 4,
    parameter integer ACC_W        = 12,
    parameter integer MEM_W        = 16,
    parameter integer K_MAX        = 128,
    parameter integer LAGGY        = 0,
    parameter integer SEQUENTIAL   = 0,
    parameter integer DEEP         = 0,
    parameter integer FIFO_DEPTH   = 2,
    parameter integer INDEX_RATE   = 0,
    parameter integer CARRY        = 0,
    parameter integer AXI_W        = 32,
    parameter integer LINE_W       = 128,
    parameter integer NUM_BANKS    = 1,
    parameter integer NUM_WAYS     = 1,
    parameter integer NUM_SETS     = 2,
    parameter integer OUTSTANDING  = 2,
    parameter integer OUT_ENTRIES  = 32,
    parameter integer NUM_SLOTS    = 2,
    parameter integer RAM_BYTES    = 131072,
    parameter         RAM_FILE     = "",
    parameter integer CLK_HZ       = 12_000_000,
    parameter integer BAUD         = 1_000_000,
    parameter [31:0]  BITSTREAM_ID = 32'd0
) (
    input  wire clk,
    input  wire uart_rx,
    output wire uart_tx,
    input  wire btn_n,
    output wire led_green_n
);

    localparam [31:0] BOARD_ID = "ICEB";

    reg       button_meta_reg, button_reg;
    reg [3:0] rst_count_reg;
    reg       rst_reg;

    initial begin    // the bitstream's: reset begins with configuration
        rst_count_reg = 4'd0;
        rst_reg       = 1'b0;
    end

    always @(posedge clk) begin
        button_meta_reg <= !btn_n;
        button_reg      <= button_meta_reg;
        if (button_reg) rst_count_reg <= 4'd0;
        else if (rst_count_reg != 4'd15) rst_count_reg <= rst_count_reg + 4'd1;
        rst_reg <= rst_count_reg != 4'd15;
    end

    wire        irq;
    wire [38:0] unused_sdram;

    loas_board #(
        .T(T), .NUM_TPPES(NUM_TPPES), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .MEM_W(MEM_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .SEQUENTIAL(SEQUENTIAL),
        .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH), .INDEX_RATE(INDEX_RATE), .CARRY(CARRY), .AXI_W(AXI_W), .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS), .NUM_WAYS(NUM_WAYS), .NUM_SETS(NUM_SETS), .OUTSTANDING(OUTSTANDING),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .RAM_BYTES(RAM_BYTES), .RAM_FILE(RAM_FILE), .SDRAM_EN(0), .CLK_HZ(CLK_HZ), .BAUD(BAUD), .BOARD_ID(BOARD_ID),
        .BITSTREAM_ID(BITSTREAM_ID)
    ) board_inst (
        .clk(clk), .rst(rst_reg), .uart_rxd(uart_rx), .uart_txd(uart_tx), .irq(irq),
        .sdram_cke(unused_sdram[0]), .sdram_cs_n(unused_sdram[1]), .sdram_ras_n(unused_sdram[2]),
        .sdram_cas_n(unused_sdram[3]),
        .sdram_we_n(unused_sdram[4]), .sdram_ba(unused_sdram[6:5]), .sdram_a(unused_sdram[19:7]),
        .sdram_dqm(unused_sdram[21:20]),
        .sdram_dq_out(unused_sdram[37:22]), .sdram_dq_oe(unused_sdram[38]), .sdram_dq_in(16'd0)
    );

    assign led_green_n = !irq;

endmodule

`resetall
