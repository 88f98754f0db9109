// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The complete top of the ULX3S with its SDRAM, and its serial port at standard input and output (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: loas_ulx3s as it is synthesised, with models of the FPGA's cells (fpga/sim) and of the SDRAM. The PLL's
// model hands its input on, so the clock here is the machine's. loas_pty is the FT231X. A breach of the SDRAM's rules
// ends the simulation, which scripts/fpga_sim.py takes for a failure. SDRAM_WORDS words of 16 bits exist, higher
// addresses wrap.
module loas_ulx3s_tb #(
    parameter integer T            = 4,
    parameter integer NUM_TPPES    = 4,
    parameter integer CHUNK_W      = 32,
    parameter integer WINDOW       = 1,
    parameter integer SLICE_W      = 8,
    parameter integer WEIGHT_W     = 8,
    parameter integer ACC_W        = 16,
    parameter integer MEM_W        = 24,
    parameter integer K_MAX        = 2048,
    parameter integer LAGGY        = 1,
    parameter integer SEQUENTIAL   = 0,
    parameter integer DEEP         = 1,
    parameter integer FIFO_DEPTH   = 8,
    parameter integer INDEX_RATE   = 1,
    parameter integer CARRY        = 0,
    parameter integer AXI_W        = 64,
    parameter integer LINE_W       = 128,
    parameter integer NUM_BANKS    = 2,
    parameter integer NUM_WAYS     = 2,
    parameter integer NUM_SETS     = 64,
    parameter integer OUTSTANDING  = 4,
    parameter integer OUT_ENTRIES  = 512,
    parameter integer NUM_SLOTS    = 8,
    parameter integer CLK_HZ       = 50000000,
    parameter integer BAUD         = 12500000,   // 4 cycles a bit; the board's is 3 000 000
    parameter integer SDRAM_WORDS  = 16777216,
    parameter [31:0]  BITSTREAM_ID = 32'd0
);

    reg         clk;
    reg         rst;
    wire        to_board;
    wire        from_board;
    wire        sdram_clk;
    wire        sdram_cke;
    wire        sdram_csn;
    wire        sdram_rasn;
    wire        sdram_casn;
    wire        sdram_wen;
    wire [1:0]  sdram_ba;
    wire [12:0] sdram_a;
    wire [1:0]  sdram_dqm;
    wire [15:0] sdram_d;
    wire [31:0] violations;
    reg  [31:0] before;       // of the cycles before the first reset, in which flip-flops hold what they woke up with

    loas_ulx3s #(
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
        .INIT_US(4),
        .CLK_HZ(CLK_HZ),
        .BAUD(BAUD),
        .BITSTREAM_ID(BITSTREAM_ID)
    ) top_inst (
        .clk_25mhz(clk),
        .ftdi_txd(to_board),
        .ftdi_rxd(from_board),
        .btn(7'd0),
        .led(),
        .wifi_gpio0(),
        .sdram_clk(sdram_clk),
        .sdram_cke(sdram_cke),
        .sdram_csn(sdram_csn),
        .sdram_rasn(sdram_rasn),
        .sdram_casn(sdram_casn),
        .sdram_wen(sdram_wen),
        .sdram_ba(sdram_ba),
        .sdram_a(sdram_a),
        .sdram_dqm(sdram_dqm),
        .sdram_d(sdram_d)
    );

    loas_sdram_model #(.MEM_WORDS(SDRAM_WORDS)) sdram_inst (
        .clk(sdram_clk),
        .cke(sdram_cke),
        .cs_n(sdram_csn),
        .ras_n(sdram_rasn),
        .cas_n(sdram_casn),
        .we_n(sdram_wen),
        .ba(sdram_ba),
        .a(sdram_a),
        .dqm(sdram_dqm),
        .dq(sdram_d),
        .violations(violations),
        .reads(),
        .refreshes()
    );

    loas_pty #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) host_inst (.clk(clk), .rst(rst), .rxd(from_board), .txd(to_board));

    initial clk = 1'b0;
    always #10 clk = !clk;

    initial begin
        rst = 1'b1;
        repeat (64) @(negedge clk);
        rst = 1'b0;
    end

    always @(posedge clk) begin
        if (rst) before <= violations;
        else if (violations != before) begin
            $fdisplay(32'h8000_0002, "the SDRAM was used against its rules");
            $finish;
        end
    end

endmodule

`resetall
