// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Top of the ULX3S (Lattice ECP5-85F): clock, reset, pins.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: only what belongs to this board; everything else is in loas_board.
//
// Contract: ports have the names of the board's schematic (fpga/ulx3s/ulx3s.lpf says where they are). FT231X: ftdi_txd
// comes in, ftdi_rxd goes out. btn[1] (FIRE1) is a reset; the others do nothing. led[0]: clock runs (a second on, a
// second off), led[1]: a host was heard in the last third of a second, led[2]: an answer was sent, led[3]: interrupt (a
// run is over); the others are dark. wifi_gpio0 is high: low would start the ESP32's loader. Parameters:
// scripts/fpga.py sets them from spec/configs.toml and fpga/ulx3s/board.toml.
module loas_ulx3s #(
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
    parameter integer RAM_BYTES    = 131072,
    parameter         RAM_FILE     = "",
    parameter integer SDRAM_EN     = 1,
    parameter integer INIT_US      = 200,
    parameter integer CLK_HZ       = 50_000_000,   // a multiple of 5 MHz: what the PLL makes
    parameter integer BAUD         = 3_000_000,
    parameter [31:0]  BITSTREAM_ID = 32'd0
) (
    input  wire        clk_25mhz,
    input  wire        ftdi_txd,
    output wire        ftdi_rxd,
    input  wire [6:0]  btn,
    output wire [7:0]  led,
    output wire        wifi_gpio0,

    output wire        sdram_clk,
    output wire        sdram_cke,
    output wire        sdram_csn,
    output wire        sdram_rasn,
    output wire        sdram_casn,
    output wire        sdram_wen,
    output wire [1:0]  sdram_ba,
    output wire [12:0] sdram_a,
    output wire [1:0]  sdram_dqm,
    inout  wire [15:0] sdram_d
);

    localparam integer SECOND_W = $clog2(CLK_HZ);
    localparam [31:0]  BOARD_ID = "ULX3";

    (* keep *) wire clk;          // its name is asked for in board.toml
    wire clk_late, locked;

    loas_ulx3s_pll #(.MHZ(CLK_HZ / 1_000_000)) pll_inst (.clk_25mhz(clk_25mhz), .clk(clk), .clk_late(clk_late),
        .locked(locked));

    // -------------------------------------------------------------------------- reset: 16 cycles after lock and button
    reg       locked_meta_reg, locked_reg;
    reg       button_meta_reg, button_reg;
    reg [3:0] rst_count_reg;
    reg       rst_reg;

    initial begin    // the bitstream's: reset begins with configuration
        rst_count_reg = 4'd0;
        rst_reg       = 1'b1;
    end

    always @(posedge clk) begin
        locked_meta_reg <= locked;
        locked_reg      <= locked_meta_reg;
        button_meta_reg <= btn[1];
        button_reg      <= button_meta_reg;
        if (!locked_reg || button_reg) rst_count_reg <= 4'd0;
        else if (rst_count_reg != 4'd15) rst_count_reg <= rst_count_reg + 4'd1;
        rst_reg <= rst_count_reg != 4'd15;
    end

    // ----------------------------------------------------------------------------------------------------------- board
    wire        irq;
    wire        cke, cs_n, ras_n, cas_n, we_n, dq_oe;
    wire [1:0]  ba, dqm;
    wire [12:0] a;
    wire [15:0] dq_out, dq_in;

    loas_board #(
        .T(T), .NUM_TPPES(NUM_TPPES), .CHUNK_W(CHUNK_W), .WINDOW(WINDOW), .SLICE_W(SLICE_W),
        .WEIGHT_W(WEIGHT_W), .ACC_W(ACC_W), .MEM_W(MEM_W), .K_MAX(K_MAX), .LAGGY(LAGGY), .SEQUENTIAL(SEQUENTIAL),
        .DEEP(DEEP),
        .FIFO_DEPTH(FIFO_DEPTH), .INDEX_RATE(INDEX_RATE), .CARRY(CARRY), .AXI_W(AXI_W), .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS), .NUM_WAYS(NUM_WAYS), .NUM_SETS(NUM_SETS), .OUTSTANDING(OUTSTANDING),
        .OUT_ENTRIES(OUT_ENTRIES),
        .NUM_SLOTS(NUM_SLOTS),
        .RAM_BYTES(RAM_BYTES), .RAM_FILE(RAM_FILE), .SDRAM_EN(SDRAM_EN), .INIT_US(INIT_US), .PIN_STAGES(1),
        .CLK_HZ(CLK_HZ),
        .BAUD(BAUD), .BOARD_ID(BOARD_ID), .BITSTREAM_ID(BITSTREAM_ID)
    ) board_inst (
        .clk          (clk),
        .rst          (rst_reg),
        .uart_rxd     (ftdi_txd),
        .uart_txd     (ftdi_rxd),
        .irq          (irq),
        .sdram_cke    (cke),
        .sdram_cs_n   (cs_n),
        .sdram_ras_n  (ras_n),
        .sdram_cas_n  (cas_n),
        .sdram_we_n   (we_n),
        .sdram_ba     (ba),
        .sdram_a      (a),
        .sdram_dqm    (dqm),
        .sdram_dq_out (dq_out),
        .sdram_dq_oe  (dq_oe),
        .sdram_dq_in  (dq_in)
    );

    // ----------------------------------------------------------------------- SDRAM: a register in the cell of each pin
    localparam integer OUTS = 2 + 13 + 2 + 5;
    wire [OUTS-1:0] outs = {ba, a, dqm, cke, cs_n, ras_n, cas_n, we_n};
    wire [OUTS-1:0] pins;
    wire [15:0]     dq_pin, dq_off, dq_now;

    assign {sdram_ba, sdram_a, sdram_dqm, sdram_cke, sdram_csn, sdram_rasn, sdram_casn, sdram_wen} = pins;

    genvar k;
    generate
        for (k = 0; k < OUTS; k = k + 1) begin : gen_out
            OFS1P3DX out_inst (.D(outs[k]), .SP(1'b1), .SCLK(clk), .CD(1'b0), .Q(pins[k]));
        end
        for (k = 0; k < 16; k = k + 1) begin : gen_dq
            OFS1P3DX out_inst (.D(dq_out[k]), .SP(1'b1), .SCLK(clk), .CD(1'b0), .Q(dq_pin[k]));
            OFS1P3BX off_inst (.D(!dq_oe), .SP(1'b1), .SCLK(clk), .PD(1'b0), .Q(dq_off[k]));
            IFS1P3DX in_inst  (.D(dq_now[k]), .SP(1'b1), .SCLK(clk), .CD(1'b0), .Q(dq_in[k]));
            BB       pad_inst (.I(dq_pin[k]), .T(dq_off[k]), .O(dq_now[k]), .B(sdram_d[k]));
        end
    endgenerate

    ODDRX1F clk_inst (.SCLK(clk_late), .RST(1'b0), .D0(1'b1), .D1(1'b0), .Q(sdram_clk));

    // ----------------------------------------------------------------------------------------------------------- lamps
    reg [SECOND_W:0]   second_reg;
    reg [SECOND_W-2:0] heard_reg, said_reg;    // time since the line was low
    reg                rxd_meta_reg, rxd_reg;

    always @(posedge clk) begin
        second_reg   <= second_reg + 1'b1;
        rxd_meta_reg <= ftdi_txd;
        rxd_reg      <= rxd_meta_reg;
        if (!rxd_reg) heard_reg <= {(SECOND_W-1){1'b0}};
        else if (!(&heard_reg)) heard_reg <= heard_reg + 1'b1;
        if (!ftdi_rxd) said_reg <= {(SECOND_W-1){1'b0}};
        else if (!(&said_reg)) said_reg <= said_reg + 1'b1;
        if (rst_reg) begin
            second_reg <= {(SECOND_W+1){1'b0}};
            heard_reg  <= {(SECOND_W-1){1'b1}};
            said_reg   <= {(SECOND_W-1){1'b1}};
        end
    end

    assign led        = {4'b0000, irq, !(&said_reg), !(&heard_reg), second_reg[SECOND_W]};
    assign wifi_gpio0 = 1'b1;

    wire unused_ok = &{1'b0, btn};

endmodule

`resetall
