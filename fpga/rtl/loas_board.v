// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// What every board has: the machine, its image memory, and the host's serial link to both.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a board's top should hold pins and clocks, and nothing else.
//
// Contract: the host link's addresses are bytes: 0x0000_0000 on the registers (docs/registers.md), 0x4000_0000 on the
// image memory, whose addresses (as IMAGE_BASE and the machine see them) begin at 0 there; loas_board_mem says what is
// where. clk runs at CLK_HZ, from which the serial rate and the SDRAM's times are made. rst is synchronous, active
// high, and at least a cycle long. irq is the machine's interrupt.
//
//   uart -> loas_host_link -> loas_axil_split -> loas_top (registers)
//                                    |              | AXI4
//                                    '-> loas_board_mem -> block RAM, SDRAM
module loas_board #(
    parameter integer T           = 4,
    parameter integer NUM_TPPES   = 4,
    parameter integer CHUNK_W     = 32,
    parameter integer WINDOW      = 1,
    parameter integer SLICE_W     = 8,
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 2048,
    parameter integer LAGGY       = 1,
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 1,
    parameter integer FIFO_DEPTH  = 8,
    parameter integer INDEX_RATE  = 1,
    parameter integer CARRY       = 0,
    parameter integer AXI_W       = 64,
    parameter integer LINE_W      = 128,
    parameter integer NUM_BANKS   = 2,
    parameter integer NUM_WAYS    = 2,
    parameter integer NUM_SETS    = 64,
    parameter integer OUTSTANDING = 4,
    parameter integer OUT_ENTRIES = 512,
    parameter integer NUM_SLOTS   = 8,
    parameter integer RAM_BYTES   = 262144,        // image memory in block RAM
    parameter         RAM_FILE    = "",            // its contents after configuration, see loas_board_ram
    parameter integer SDRAM_EN    = 0,
    parameter integer INIT_US     = 200,           // of the SDRAM
    parameter integer PIN_STAGES  = 1,
    parameter integer CLK_HZ      = 50_000_000,
    parameter integer BAUD        = 3_000_000,
    parameter [31:0]  BOARD_ID     = 32'h3F3F3F3F,  // what the host link says of itself
    parameter [31:0]  BITSTREAM_ID = 32'd0
) (
    input  wire        clk,
    input  wire        rst,

    input  wire        uart_rxd,
    output wire        uart_txd,

    output wire        irq,

    // see loas_sdram; constants without SDRAM_EN
    output wire        sdram_cke,
    output wire        sdram_cs_n,
    output wire        sdram_ras_n,
    output wire        sdram_cas_n,
    output wire        sdram_we_n,
    output wire [1:0]  sdram_ba,
    output wire [12:0] sdram_a,
    output wire [1:0]  sdram_dqm,
    output wire [15:0] sdram_dq_out,
    output wire        sdram_dq_oe,
    input  wire [15:0] sdram_dq_in
);

    // host: from the link; one: to both slaves; reg and mem: to one of them; axi: machine to memory
    wire [31:0] host_awaddr;
    wire        host_awvalid;
    wire        host_awready;
    wire [31:0] host_wdata;
    wire [3:0]  host_wstrb;
    wire        host_wvalid;
    wire        host_wready;
    wire [1:0]  host_bresp;
    wire        host_bvalid;
    wire        host_bready;
    wire [31:0] host_araddr;
    wire        host_arvalid;
    wire        host_arready;
    wire [31:0] host_rdata;
    wire [1:0]  host_rresp;
    wire        host_rvalid;
    wire        host_rready;
    wire [31:0] one_awaddr;
    wire [31:0] one_wdata;
    wire [3:0]  one_wstrb;
    wire [31:0] one_araddr;
    wire        reg_awvalid;
    wire        reg_awready;
    wire        reg_wvalid;
    wire        reg_wready;
    wire [1:0]  reg_bresp;
    wire        reg_bvalid;
    wire        reg_bready;
    wire        reg_arvalid;
    wire        reg_arready;
    wire [31:0] reg_rdata;
    wire [1:0]  reg_rresp;
    wire        reg_rvalid;
    wire        reg_rready;
    wire        mem_awvalid;
    wire        mem_awready;
    wire        mem_wvalid;
    wire        mem_wready;
    wire [1:0]  mem_bresp;
    wire        mem_bvalid;
    wire        mem_bready;
    wire        mem_arvalid;
    wire        mem_arready;
    wire [31:0] mem_rdata;
    wire [1:0]  mem_rresp;
    wire        mem_rvalid;
    wire        mem_rready;
    wire               axi_arid;
    wire [31:0]        axi_araddr;
    wire [7:0]         axi_arlen;
    wire               axi_arvalid;
    wire               axi_arready;
    wire               axi_rid;
    wire [AXI_W-1:0]   axi_rdata;
    wire [1:0]         axi_rresp;
    wire               axi_rlast;
    wire               axi_rvalid;
    wire               axi_rready;
    wire               axi_awid;
    wire [31:0]        axi_awaddr;
    wire               axi_awvalid;
    wire               axi_awready;
    wire [AXI_W-1:0]   axi_wdata;
    wire [AXI_W/8-1:0] axi_wstrb;
    wire               axi_wlast;
    wire               axi_wvalid;
    wire               axi_wready;
    wire               axi_bid;
    wire [1:0]         axi_bresp;
    wire               axi_bvalid;
    wire               axi_bready;
    wire [2:0]         axi_arsize;
    wire [1:0]         axi_arburst;
    wire [7:0]         axi_awlen;
    wire [2:0]         axi_awsize;
    wire [1:0]         axi_awburst;

    localparam [31:0] MEM_BYTES = SDRAM_EN != 0 ? 32'h0200_0000 : RAM_BYTES;

    wire board_rst;   // rst, or the host's

    loas_host_link #(
        .CLK_HZ(CLK_HZ), .BAUD(BAUD), .BOARD_ID(BOARD_ID), .BITSTREAM_ID(BITSTREAM_ID), .MEM_BASE(32'h4000_0000),
        .MEM_BYTES(MEM_BYTES)
    ) link_inst (
        .clk            (clk),
        .rst            (rst),
        .uart_rxd       (uart_rxd),
        .uart_txd       (uart_txd),
        .m_axil_awaddr  (host_awaddr),
        .m_axil_awvalid (host_awvalid),
        .m_axil_awready (host_awready),
        .m_axil_wdata   (host_wdata),
        .m_axil_wstrb   (host_wstrb),
        .m_axil_wvalid  (host_wvalid),
        .m_axil_wready  (host_wready),
        .m_axil_bresp   (host_bresp),
        .m_axil_bvalid  (host_bvalid),
        .m_axil_bready  (host_bready),
        .m_axil_araddr  (host_araddr),
        .m_axil_arvalid (host_arvalid),
        .m_axil_arready (host_arready),
        .m_axil_rdata   (host_rdata),
        .m_axil_rresp   (host_rresp),
        .m_axil_rvalid  (host_rvalid),
        .m_axil_rready  (host_rready),
        .board_rst      (board_rst)
    );

    loas_axil_split #(.SELECT(30)) split_inst (
        .clk             (clk),
        .rst             (board_rst),
        .s_axil_awaddr   (host_awaddr),
        .s_axil_awvalid  (host_awvalid),
        .s_axil_awready  (host_awready),
        .s_axil_wdata    (host_wdata),
        .s_axil_wstrb    (host_wstrb),
        .s_axil_wvalid   (host_wvalid),
        .s_axil_wready   (host_wready),
        .s_axil_bresp    (host_bresp),
        .s_axil_bvalid   (host_bvalid),
        .s_axil_bready   (host_bready),
        .s_axil_araddr   (host_araddr),
        .s_axil_arvalid  (host_arvalid),
        .s_axil_arready  (host_arready),
        .s_axil_rdata    (host_rdata),
        .s_axil_rresp    (host_rresp),
        .s_axil_rvalid   (host_rvalid),
        .s_axil_rready   (host_rready),
        .m_axil_awaddr   (one_awaddr),
        .m_axil_wdata    (one_wdata),
        .m_axil_wstrb    (one_wstrb),
        .m_axil_araddr   (one_araddr),
        .m0_axil_awvalid (reg_awvalid),
        .m0_axil_awready (reg_awready),
        .m0_axil_wvalid  (reg_wvalid),
        .m0_axil_wready  (reg_wready),
        .m0_axil_bresp   (reg_bresp),
        .m0_axil_bvalid  (reg_bvalid),
        .m0_axil_bready  (reg_bready),
        .m0_axil_arvalid (reg_arvalid),
        .m0_axil_arready (reg_arready),
        .m0_axil_rdata   (reg_rdata),
        .m0_axil_rresp   (reg_rresp),
        .m0_axil_rvalid  (reg_rvalid),
        .m0_axil_rready  (reg_rready),
        .m1_axil_awvalid (mem_awvalid),
        .m1_axil_awready (mem_awready),
        .m1_axil_wvalid  (mem_wvalid),
        .m1_axil_wready  (mem_wready),
        .m1_axil_bresp   (mem_bresp),
        .m1_axil_bvalid  (mem_bvalid),
        .m1_axil_bready  (mem_bready),
        .m1_axil_arvalid (mem_arvalid),
        .m1_axil_arready (mem_arready),
        .m1_axil_rdata   (mem_rdata),
        .m1_axil_rresp   (mem_rresp),
        .m1_axil_rvalid  (mem_rvalid),
        .m1_axil_rready  (mem_rready)
    );

    loas_top #(
        .T           (T),
        .NUM_TPPES   (NUM_TPPES),
        .CHUNK_W     (CHUNK_W),
        .WINDOW      (WINDOW),
        .SLICE_W     (SLICE_W),
        .WEIGHT_W    (WEIGHT_W),
        .ACC_W       (ACC_W),
        .MEM_W       (MEM_W),
        .K_MAX       (K_MAX),
        .LAGGY       (LAGGY),
        .SEQUENTIAL  (SEQUENTIAL),
        .DEEP        (DEEP),
        .FIFO_DEPTH  (FIFO_DEPTH),
        .INDEX_RATE  (INDEX_RATE),
        .CARRY       (CARRY),
        .AXI_W       (AXI_W),
        .LINE_W      (LINE_W),
        .NUM_BANKS   (NUM_BANKS),
        .NUM_WAYS    (NUM_WAYS),
        .NUM_SETS    (NUM_SETS),
        .OUTSTANDING (OUTSTANDING),
        .OUT_ENTRIES (OUT_ENTRIES),
        .NUM_SLOTS   (NUM_SLOTS)
    ) machine_inst (
        .clk            (clk),
        .rst            (board_rst),
        .s_axil_awaddr  (one_awaddr[11:0]),
        .s_axil_awvalid (reg_awvalid),
        .s_axil_awready (reg_awready),
        .s_axil_wdata   (one_wdata),
        .s_axil_wstrb   (one_wstrb),
        .s_axil_wvalid  (reg_wvalid),
        .s_axil_wready  (reg_wready),
        .s_axil_bresp   (reg_bresp),
        .s_axil_bvalid  (reg_bvalid),
        .s_axil_bready  (reg_bready),
        .s_axil_araddr  (one_araddr[11:0]),
        .s_axil_arvalid (reg_arvalid),
        .s_axil_arready (reg_arready),
        .s_axil_rdata   (reg_rdata),
        .s_axil_rresp   (reg_rresp),
        .s_axil_rvalid  (reg_rvalid),
        .s_axil_rready  (reg_rready),
        .m_axi_arid     (axi_arid),
        .m_axi_araddr   (axi_araddr),
        .m_axi_arlen    (axi_arlen),
        .m_axi_arsize   (axi_arsize),
        .m_axi_arburst  (axi_arburst),
        .m_axi_arvalid  (axi_arvalid),
        .m_axi_arready  (axi_arready),
        .m_axi_rid      (axi_rid),
        .m_axi_rdata    (axi_rdata),
        .m_axi_rresp    (axi_rresp),
        .m_axi_rlast    (axi_rlast),
        .m_axi_rvalid   (axi_rvalid),
        .m_axi_rready   (axi_rready),
        .m_axi_awid     (axi_awid),
        .m_axi_awaddr   (axi_awaddr),
        .m_axi_awlen    (axi_awlen),
        .m_axi_awsize   (axi_awsize),
        .m_axi_awburst  (axi_awburst),
        .m_axi_awvalid  (axi_awvalid),
        .m_axi_awready  (axi_awready),
        .m_axi_wdata    (axi_wdata),
        .m_axi_wstrb    (axi_wstrb),
        .m_axi_wlast    (axi_wlast),
        .m_axi_wvalid   (axi_wvalid),
        .m_axi_wready   (axi_wready),
        .m_axi_bid      (axi_bid),
        .m_axi_bresp    (axi_bresp),
        .m_axi_bvalid   (axi_bvalid),
        .m_axi_bready   (axi_bready),
        .irq            (irq)
    );

    loas_board_mem #(
        .AXI_W(AXI_W), .RAM_BYTES(RAM_BYTES), .RAM_FILE(RAM_FILE), .SDRAM_EN(SDRAM_EN), .CLK_HZ(CLK_HZ),
        .INIT_US(INIT_US), .PIN_STAGES(PIN_STAGES)
    ) memory_inst (
        .clk            (clk),
        .rst            (board_rst),
        .s_axi_arid     (axi_arid),
        .s_axi_araddr   (axi_araddr),
        .s_axi_arlen    (axi_arlen),
        .s_axi_arvalid  (axi_arvalid),
        .s_axi_arready  (axi_arready),
        .s_axi_rid      (axi_rid),
        .s_axi_rdata    (axi_rdata),
        .s_axi_rresp    (axi_rresp),
        .s_axi_rlast    (axi_rlast),
        .s_axi_rvalid   (axi_rvalid),
        .s_axi_rready   (axi_rready),
        .s_axi_awid     (axi_awid),
        .s_axi_awaddr   (axi_awaddr),
        .s_axi_awvalid  (axi_awvalid),
        .s_axi_awready  (axi_awready),
        .s_axi_wdata    (axi_wdata),
        .s_axi_wstrb    (axi_wstrb),
        .s_axi_wlast    (axi_wlast),
        .s_axi_wvalid   (axi_wvalid),
        .s_axi_wready   (axi_wready),
        .s_axi_bid      (axi_bid),
        .s_axi_bresp    (axi_bresp),
        .s_axi_bvalid   (axi_bvalid),
        .s_axi_bready   (axi_bready),
        .s_axil_awaddr  (one_awaddr),
        .s_axil_awvalid (mem_awvalid),
        .s_axil_awready (mem_awready),
        .s_axil_wdata   (one_wdata),
        .s_axil_wstrb   (one_wstrb),
        .s_axil_wvalid  (mem_wvalid),
        .s_axil_wready  (mem_wready),
        .s_axil_bresp   (mem_bresp),
        .s_axil_bvalid  (mem_bvalid),
        .s_axil_bready  (mem_bready),
        .s_axil_araddr  (one_araddr),
        .s_axil_arvalid (mem_arvalid),
        .s_axil_arready (mem_arready),
        .s_axil_rdata   (mem_rdata),
        .s_axil_rresp   (mem_rresp),
        .s_axil_rvalid  (mem_rvalid),
        .s_axil_rready  (mem_rready),
        .sdram_cke      (sdram_cke),
        .sdram_cs_n     (sdram_cs_n),
        .sdram_ras_n    (sdram_ras_n),
        .sdram_cas_n    (sdram_cas_n),
        .sdram_we_n     (sdram_we_n),
        .sdram_ba       (sdram_ba),
        .sdram_a        (sdram_a),
        .sdram_dqm      (sdram_dqm),
        .sdram_dq_out   (sdram_dq_out),
        .sdram_dq_oe    (sdram_dq_oe),
        .sdram_dq_in    (sdram_dq_in)
    );

    // bursts are incrementing ones of whole beats, and a write's length is in its last beat
    wire unused_ok = &{1'b0, axi_arsize, axi_arburst, axi_awlen, axi_awsize, axi_awburst};

endmodule

`resetall
