// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The whole machine with a memory: what every system test and the demo run on (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: images must be loaded, dumped and exchanged between runs without a signal a word, in every simulator.
//
// Contract: a rising `load` reads <dir>/image.hex into the memory (words 0 to image_words - 1, AXI_W bits each, low
// word first), a rising `dump` writes <dir>/dump.hex; <dir> is the plusarg +dir=, default ".". The memory stands at bus
// address BASE. latency, stalls, errors, hangs and manners are loas_sim_mem's. With CHECK = 1 both ports are watched by
// loas_axi_checker and loas_axil_checker, and `axi_error` tells of a breach of the protocol.
module loas_system #(
    parameter integer T           = 4,      // timesteps computed in parallel
    parameter integer NUM_TPPES   = 2,      // processing elements
    parameter integer CHUNK_W     = 32,     // bits of a bitmask chunk
    parameter integer WINDOW      = 2,
    parameter integer SLICE_W     = 8,      // adders of a laggy prefix sum
    parameter integer WEIGHT_W    = 8,      // bits of a weight
    parameter integer ACC_W       = 16,     // accumulator bits
    parameter integer MEM_W       = 24,     // membrane bits
    parameter integer K_MAX       = 512,    // longest fiber
    parameter integer LAGGY       = 1,      // 1: speculation, 0: two fast prefix sums
    parameter integer SEQUENTIAL  = 0,      // 1: SparTen-SNN
    parameter integer DEEP        = 0,      // 1: more pipeline stages, for the slow wires of an FPGA
    parameter integer FIFO_DEPTH  = 8,      // match FIFOs
    parameter integer INDEX_RATE  = 2,
    parameter integer CARRY       = 1,
    parameter integer AXI_W       = 32,     // data bits of the memory port
    parameter integer LINE_W      = 128,    // bits of a cache line
    parameter integer NUM_BANKS   = 2,      // cache geometry
    parameter integer NUM_WAYS    = 2,      // cache geometry
    parameter integer NUM_SETS    = 4,      // cache geometry
    parameter integer OUTSTANDING = 4,      // line reads in flight
    parameter integer OUT_ENTRIES = 256,    // output buffer entries
    parameter integer NUM_SLOTS   = 8,      // output rows in flight
    parameter integer MEM_BYTES   = 262144, // size of the memory
    parameter [31:0]  BASE        = 32'h4000_0000,
    parameter integer CHECK       = 1       // 1: watch the AXI protocol
) (
    input  wire        clk,
    input  wire        rst,
    // memory
    input  wire        load,
    input  wire        dump,
    input  wire [31:0] image_words,
    input  wire [15:0] latency,
    input  wire [6:0]  stall_percent,
    input  wire [31:0] seed,
    input  wire        err_en,
    input  wire [1:0]  err_resp,
    input  wire [31:0] err_addr,
    input  wire        hang,
    input  wire [2:0]  manner,
    output wire        axi_error,
    output wire        axi_busy,
    // registers
    input  wire [11:0] s_axil_awaddr,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    output wire [1:0]  s_axil_bresp,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    input  wire [11:0] s_axil_araddr,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0]  s_axil_rresp,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready,
    output wire        irq
);

    wire                 m_axi_awid;
    wire [31:0]          m_axi_awaddr;
    wire [7:0]           m_axi_awlen;
    wire [2:0]           m_axi_awsize;
    wire [1:0]           m_axi_awburst;
    wire                 m_axi_awvalid;
    wire                 m_axi_awready;
    wire [AXI_W-1:0]     m_axi_wdata;
    wire [AXI_W/8-1:0]   m_axi_wstrb;
    wire                 m_axi_wlast;
    wire                 m_axi_wvalid;
    wire                 m_axi_wready;
    wire                 m_axi_bid;
    wire [1:0]           m_axi_bresp;
    wire                 m_axi_bvalid;
    wire                 m_axi_bready;
    wire                 m_axi_arid;
    wire [31:0]          m_axi_araddr;
    wire [7:0]           m_axi_arlen;
    wire [2:0]           m_axi_arsize;
    wire [1:0]           m_axi_arburst;
    wire                 m_axi_arvalid;
    wire                 m_axi_arready;
    wire                 m_axi_rid;
    wire [AXI_W-1:0]     m_axi_rdata;
    wire [1:0]           m_axi_rresp;
    wire                 m_axi_rlast;
    wire                 m_axi_rvalid;
    wire                 m_axi_rready;

    loas_top #(
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
        .NUM_SLOTS(NUM_SLOTS)
    ) top_inst (
        .clk(clk),
        .rst(rst),
        .s_axil_awaddr(s_axil_awaddr),
        .s_axil_awvalid(s_axil_awvalid),
        .s_axil_awready(s_axil_awready),
        .s_axil_wdata(s_axil_wdata),
        .s_axil_wstrb(s_axil_wstrb),
        .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready),
        .s_axil_bresp(s_axil_bresp),
        .s_axil_bvalid(s_axil_bvalid),
        .s_axil_bready(s_axil_bready),
        .s_axil_araddr(s_axil_araddr),
        .s_axil_arvalid(s_axil_arvalid),
        .s_axil_arready(s_axil_arready),
        .s_axil_rdata(s_axil_rdata),
        .s_axil_rresp(s_axil_rresp),
        .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready),
        .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr),
        .m_axi_awlen(m_axi_awlen),
        .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst),
        .m_axi_awvalid(m_axi_awvalid),
        .m_axi_awready(m_axi_awready),
        .m_axi_wdata(m_axi_wdata),
        .m_axi_wstrb(m_axi_wstrb),
        .m_axi_wlast(m_axi_wlast),
        .m_axi_wvalid(m_axi_wvalid),
        .m_axi_wready(m_axi_wready),
        .m_axi_bid(m_axi_bid),
        .m_axi_bresp(m_axi_bresp),
        .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready),
        .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rid(m_axi_rid),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rlast(m_axi_rlast),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready),
        .irq(irq)
    );

    loas_sim_mem #(
        .AXI_W(AXI_W),
        .BYTES(MEM_BYTES),
        .BASE(BASE)
    ) mem_inst (
        .clk(clk),
        .rst(rst),
        .latency(latency),
        .stall_percent(stall_percent),
        .seed(seed),
        .err_en(err_en),
        .err_resp(err_resp),
        .err_addr(err_addr),
        .hang(hang),
        .manner(manner),
        .s_axi_awid(m_axi_awid),
        .s_axi_awaddr(m_axi_awaddr),
        .s_axi_awlen(m_axi_awlen),
        .s_axi_awvalid(m_axi_awvalid),
        .s_axi_awready(m_axi_awready),
        .s_axi_wdata(m_axi_wdata),
        .s_axi_wstrb(m_axi_wstrb),
        .s_axi_wlast(m_axi_wlast),
        .s_axi_wvalid(m_axi_wvalid),
        .s_axi_wready(m_axi_wready),
        .s_axi_bid(m_axi_bid),
        .s_axi_bresp(m_axi_bresp),
        .s_axi_bvalid(m_axi_bvalid),
        .s_axi_bready(m_axi_bready),
        .s_axi_arid(m_axi_arid),
        .s_axi_araddr(m_axi_araddr),
        .s_axi_arlen(m_axi_arlen),
        .s_axi_arvalid(m_axi_arvalid),
        .s_axi_arready(m_axi_arready),
        .s_axi_rid(m_axi_rid),
        .s_axi_rdata(m_axi_rdata),
        .s_axi_rresp(m_axi_rresp),
        .s_axi_rlast(m_axi_rlast),
        .s_axi_rvalid(m_axi_rvalid),
        .s_axi_rready(m_axi_rready)
    );

    generate
        if (CHECK != 0) begin : gen_check
            wire [15:0] peak_reads;
            wire [15:0] peak_writes;
            wire        memory_error;
            wire        register_error;
            assign axi_error = memory_error || register_error;
            loas_axi_checker #(
                .AXI_W(AXI_W)
            ) checker_inst (
                .clk(clk),
                .rst(rst),
                .error(memory_error),
                .busy(axi_busy),
                .peak_reads(peak_reads),
                .peak_writes(peak_writes),
                .awaddr(m_axi_awaddr),
                .awlen(m_axi_awlen),
                .awsize(m_axi_awsize),
                .awburst(m_axi_awburst),
                .awvalid(m_axi_awvalid),
                .awready(m_axi_awready),
                .wdata(m_axi_wdata),
                .wstrb(m_axi_wstrb),
                .wlast(m_axi_wlast),
                .wvalid(m_axi_wvalid),
                .wready(m_axi_wready),
                .bresp(m_axi_bresp),
                .bvalid(m_axi_bvalid),
                .bready(m_axi_bready),
                .araddr(m_axi_araddr),
                .arlen(m_axi_arlen),
                .arsize(m_axi_arsize),
                .arburst(m_axi_arburst),
                .arvalid(m_axi_arvalid),
                .arready(m_axi_arready),
                .rdata(m_axi_rdata),
                .rresp(m_axi_rresp),
                .rlast(m_axi_rlast),
                .rvalid(m_axi_rvalid),
                .rready(m_axi_rready)
            );
            loas_axil_checker #(
                .ADDR_W(12)
            ) lite_checker_inst (
                .clk(clk),
                .rst(rst),
                .error(register_error),
                .awaddr(s_axil_awaddr),
                .awvalid(s_axil_awvalid),
                .awready(s_axil_awready),
                .wdata(s_axil_wdata),
                .wstrb(s_axil_wstrb),
                .wvalid(s_axil_wvalid),
                .wready(s_axil_wready),
                .bresp(s_axil_bresp),
                .bvalid(s_axil_bvalid),
                .bready(s_axil_bready),
                .araddr(s_axil_araddr),
                .arvalid(s_axil_arvalid),
                .arready(s_axil_arready),
                .rdata(s_axil_rdata),
                .rresp(s_axil_rresp),
                .rvalid(s_axil_rvalid),
                .rready(s_axil_rready)
            );
        end else begin : gen_no_check
            assign axi_error = 1'b0;
            assign axi_busy  = 1'b0;
            wire unused_bus = &{1'b0, m_axi_awsize, m_axi_awburst, m_axi_arsize, m_axi_arburst};
        end
    endgenerate

    reg [8*512-1:0] dir;

    initial begin
        if (!$value$plusargs("dir=%s", dir)) dir = ".";
    end

    always @(posedge load) $readmemh({dir, "/image.hex"}, mem_inst.mem, 0, image_words - 1);
    always @(posedge dump) $writememh({dir, "/dump.hex"}, mem_inst.mem, 0, image_words - 1);

endmodule

`resetall
