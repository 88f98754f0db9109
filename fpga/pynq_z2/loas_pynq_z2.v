// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The machine as an AXI IP for a Zynq-7000: names and signals that Vivado's packager takes for interfaces.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: Vivado finds buses by the names of their signals, wants a reset that is active low, and signals that the
// machine has not.
//
// Contract: s_axi_* is an AXI4-Lite slave of 4 KB (docs/registers.md), m_axi_* an AXI4 master of AXI_W bits and 32
// address bits without IDs that sends incrementing bursts of whole beats, irq is active high. aresetn is synchronous
// and active low; two flip-flops keep it near the machine. Memory accesses are marked normal, not cacheable,
// bufferable: the driver flushes the processor's cache (host/zynq.py). A Zynq-7000's memory ports are AXI3 with bursts
// of 16 beats: the interconnect in build.tcl converts.
module loas_pynq_z2 #(
    parameter integer T           = 4,
    parameter integer NUM_TPPES   = 4,
    parameter integer CHUNK_W     = 64,
    parameter integer WINDOW      = 1,
    parameter integer SLICE_W     = 16,
    parameter integer WEIGHT_W    = 8,
    parameter integer ACC_W       = 16,
    parameter integer MEM_W       = 24,
    parameter integer K_MAX       = 4096,
    parameter integer LAGGY       = 1,
    parameter integer SEQUENTIAL  = 0,
    parameter integer DEEP        = 0,
    parameter integer FIFO_DEPTH  = 8,
    parameter integer INDEX_RATE  = 1,
    parameter integer CARRY       = 1,
    parameter integer AXI_W       = 64,
    parameter integer LINE_W      = 128,
    parameter integer NUM_BANKS   = 2,
    parameter integer NUM_WAYS    = 4,
    parameter integer NUM_SETS    = 128,
    parameter integer OUTSTANDING = 4,
    parameter integer OUT_ENTRIES = 512,
    parameter integer NUM_SLOTS   = 8
) (
    input  wire               aclk,
    input  wire               aresetn,

    // registers: AXI4-Lite
    input  wire [11:0]        s_axi_awaddr,
    input  wire [2:0]         s_axi_awprot,
    input  wire               s_axi_awvalid,
    output wire               s_axi_awready,
    input  wire [31:0]        s_axi_wdata,
    input  wire [3:0]         s_axi_wstrb,
    input  wire               s_axi_wvalid,
    output wire               s_axi_wready,
    output wire [1:0]         s_axi_bresp,
    output wire               s_axi_bvalid,
    input  wire               s_axi_bready,
    input  wire [11:0]        s_axi_araddr,
    input  wire [2:0]         s_axi_arprot,
    input  wire               s_axi_arvalid,
    output wire               s_axi_arready,
    output wire [31:0]        s_axi_rdata,
    output wire [1:0]         s_axi_rresp,
    output wire               s_axi_rvalid,
    input  wire               s_axi_rready,

    // memory: AXI4
    output wire [31:0]        m_axi_araddr,
    output wire [7:0]         m_axi_arlen,
    output wire [2:0]         m_axi_arsize,
    output wire [1:0]         m_axi_arburst,
    output wire               m_axi_arlock,
    output wire [3:0]         m_axi_arcache,
    output wire [2:0]         m_axi_arprot,
    output wire [3:0]         m_axi_arqos,
    output wire               m_axi_arvalid,
    input  wire               m_axi_arready,
    input  wire [AXI_W-1:0]   m_axi_rdata,
    input  wire [1:0]         m_axi_rresp,
    input  wire               m_axi_rlast,
    input  wire               m_axi_rvalid,
    output wire               m_axi_rready,
    output wire [31:0]        m_axi_awaddr,
    output wire [7:0]         m_axi_awlen,
    output wire [2:0]         m_axi_awsize,
    output wire [1:0]         m_axi_awburst,
    output wire               m_axi_awlock,
    output wire [3:0]         m_axi_awcache,
    output wire [2:0]         m_axi_awprot,
    output wire [3:0]         m_axi_awqos,
    output wire               m_axi_awvalid,
    input  wire               m_axi_awready,
    output wire [AXI_W-1:0]   m_axi_wdata,
    output wire [AXI_W/8-1:0] m_axi_wstrb,
    output wire               m_axi_wlast,
    output wire               m_axi_wvalid,
    input  wire               m_axi_wready,
    input  wire [1:0]         m_axi_bresp,
    input  wire               m_axi_bvalid,
    output wire               m_axi_bready,

    output wire               irq
);

    localparam [3:0] BUFFERABLE = 4'b0011;  // normal memory, not cacheable, bufferable
    localparam [2:0] DATA       = 3'b000;   // secure data: the ports of a Zynq-7000 take nothing else for granted

    reg rst_meta_reg;
    reg rst_reg;

    always @(posedge aclk) begin
        rst_meta_reg <= !aresetn;
        rst_reg      <= rst_meta_reg;
    end

    wire arid;
    wire awid;
    wire unused_bits = &{1'b0, s_axi_awprot, s_axi_arprot, arid, awid};

    assign m_axi_arlock  = 1'b0;
    assign m_axi_arcache = BUFFERABLE;
    assign m_axi_arprot  = DATA;
    assign m_axi_arqos   = 4'd0;
    assign m_axi_awlock  = 1'b0;
    assign m_axi_awcache = BUFFERABLE;
    assign m_axi_awprot  = DATA;
    assign m_axi_awqos   = 4'd0;

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
    ) machine_inst (
        .clk(aclk),
        .rst(rst_reg),
        .s_axil_awaddr(s_axi_awaddr),
        .s_axil_awvalid(s_axi_awvalid),
        .s_axil_awready(s_axi_awready),
        .s_axil_wdata(s_axi_wdata),
        .s_axil_wstrb(s_axi_wstrb),
        .s_axil_wvalid(s_axi_wvalid),
        .s_axil_wready(s_axi_wready),
        .s_axil_bresp(s_axi_bresp),
        .s_axil_bvalid(s_axi_bvalid),
        .s_axil_bready(s_axi_bready),
        .s_axil_araddr(s_axi_araddr),
        .s_axil_arvalid(s_axi_arvalid),
        .s_axil_arready(s_axi_arready),
        .s_axil_rdata(s_axi_rdata),
        .s_axil_rresp(s_axi_rresp),
        .s_axil_rvalid(s_axi_rvalid),
        .s_axil_rready(s_axi_rready),
        .m_axi_arid(arid),
        .m_axi_araddr(m_axi_araddr),
        .m_axi_arlen(m_axi_arlen),
        .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst),
        .m_axi_arvalid(m_axi_arvalid),
        .m_axi_arready(m_axi_arready),
        .m_axi_rid(1'b0),
        .m_axi_rdata(m_axi_rdata),
        .m_axi_rresp(m_axi_rresp),
        .m_axi_rlast(m_axi_rlast),
        .m_axi_rvalid(m_axi_rvalid),
        .m_axi_rready(m_axi_rready),
        .m_axi_awid(awid),
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
        .m_axi_bid(1'b0),
        .m_axi_bresp(m_axi_bresp),
        .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready),
        .irq(irq)
    );

endmodule

`resetall
