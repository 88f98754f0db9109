// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Everything between the machine's reads and writes and the AXI4 port.
`resetall
`timescale 1ns / 1ps
`default_nettype none

`include "loas_bundles.vh"

// Contract: reads at NUM_PORTS ports through the cache (loas_fiber_cache), writes as commands with their chunks
// (loas_axi_write). Addresses are byte offsets in the image; the masters add image_base. `invalidate` drops all lines
// of the cache. core_rst is the reset of the cache; the masters know `rst` only: with `flush` they finish what the bus
// has begun and drop the rest, which status tells. Bundles are in loas_bundles.vh.
//
//   rd, rsp -> crossbar, cache banks -> AXI read master  --> m_axi_ar, m_axi_r
//   cmd, wr -----------------------> AXI write master --> m_axi_aw, m_axi_w, m_axi_b
module loas_memory #(
    parameter integer NUM_PORTS   = 3,
    parameter integer CHUNK_W     = 32,
    parameter integer AXI_W       = 32,
    parameter integer LINE_W      = 128,
    parameter integer NUM_BANKS   = 2,
    parameter integer NUM_WAYS    = 2,
    parameter integer NUM_SETS    = 4,
    parameter integer OUTSTANDING = 4,
    parameter integer DEEP        = 0
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        core_rst,
    input  wire                        flush,
    input  wire                        invalidate,
    input  wire [31:0]                 image_base,
    input  wire [31:0]                 image_size,

    input  wire [NUM_PORTS-1:0]        rd_valid,
    output wire [NUM_PORTS-1:0]        rd_ready,
    input  wire [NUM_PORTS*32-1:0]     rd_addr,
    input  wire [NUM_PORTS-1:0]        rd_keep,
    input  wire [NUM_PORTS-1:0]        rd_fetch,
    output wire [NUM_PORTS-1:0]        rsp_valid,
    output wire [NUM_PORTS*LINE_W-1:0] rsp_data,

    input  wire                        cmd_valid,
    output wire                        cmd_ready,
    input  wire [31:0]                 cmd_addr,
    input  wire [16:0]                 cmd_chunks,
    input  wire                        wr_valid,
    output wire                        wr_ready,
    input  wire [CHUNK_W-1:0]          wr_data,

    output wire [`LOAS_MEMORY_STATUS_W-1:0] status,
    output wire [3*$clog2(NUM_PORTS+1)+2*$clog2(AXI_W/8+1)-1:0] ev_memory,

    output wire                         m_axi_arid,
    output wire [31:0]                  m_axi_araddr,
    output wire [7:0]                   m_axi_arlen,
    output wire [2:0]                   m_axi_arsize,
    output wire [1:0]                   m_axi_arburst,
    output wire                         m_axi_arvalid,
    input  wire                         m_axi_arready,
    input  wire                         m_axi_rid,
    input  wire [AXI_W-1:0]             m_axi_rdata,
    input  wire [1:0]                   m_axi_rresp,
    input  wire                         m_axi_rlast,
    input  wire                         m_axi_rvalid,
    output wire                         m_axi_rready,
    output wire                         m_axi_awid,
    output wire [31:0]                  m_axi_awaddr,
    output wire [7:0]                   m_axi_awlen,
    output wire [2:0]                   m_axi_awsize,
    output wire [1:0]                   m_axi_awburst,
    output wire                         m_axi_awvalid,
    input  wire                         m_axi_awready,
    output wire [AXI_W-1:0]             m_axi_wdata,
    output wire [AXI_W/8-1:0]           m_axi_wstrb,
    output wire                         m_axi_wlast,
    output wire                         m_axi_wvalid,
    input  wire                         m_axi_wready,
    input  wire                         m_axi_bid,
    input  wire [1:0]                   m_axi_bresp,
    input  wire                         m_axi_bvalid,
    output wire                         m_axi_bready
);

    localparam integer CACHE_W = $clog2(NUM_PORTS + 1);
    localparam integer BYTES_W = $clog2(AXI_W / 8 + 1);

    wire               fill_valid, fill_ready, fill_rsp_valid;
    wire [31:0]        fill_addr;
    wire [LINE_W-1:0]  fill_rsp_data;

    wire [CACHE_W-1:0] ev_hits, ev_misses, ev_fetches;
    wire [BYTES_W-1:0] ev_bytes_read, ev_bytes_written;
    assign ev_memory = `LOAS_MEMORY_EV_FIELDS;

    wire               rd_idle, rd_outstanding, rd_progress, wr_idle, wr_outstanding, wr_progress;
    wire [31:0]        rd_oldest_addr, wr_oldest_addr;
    wire               err_bus_read, err_bus_write, err_write_pointer, err_cache_pointer;
    wire [31:0]        err_bus_read_addr, err_bus_write_addr, err_cache_addr;
    assign status = `LOAS_MEMORY_STATUS_FIELDS;

    loas_fiber_cache #(
        .NUM_PORTS(NUM_PORTS),
        .LINE_W(LINE_W),
        .NUM_BANKS(NUM_BANKS),
        .NUM_WAYS(NUM_WAYS),
        .NUM_SETS(NUM_SETS),
        .OUTSTANDING(OUTSTANDING),
        .DEEP(DEEP)
    ) cache_inst (
        .clk            (clk),
        .rst            (core_rst),
        .image_size     (image_size),
        .invalidate     (invalidate),
        .rd_valid       (rd_valid),
        .rd_ready       (rd_ready),
        .rd_addr        (rd_addr),
        .rd_keep        (rd_keep),
        .rd_fetch       (rd_fetch),
        .rsp_valid      (rsp_valid),
        .rsp_data       (rsp_data),
        .fill_valid     (fill_valid),
        .fill_ready     (fill_ready),
        .fill_addr      (fill_addr),
        .fill_rsp_valid (fill_rsp_valid),
        .fill_rsp_data  (fill_rsp_data),
        .err_pointer    (err_cache_pointer),
        .err_addr       (err_cache_addr),
        .ev_hits        (ev_hits),
        .ev_misses      (ev_misses),
        .ev_fetches     (ev_fetches)
    );

    loas_axi_read #(
        .AXI_W(AXI_W),
        .LINE_W(LINE_W),
        .OUTSTANDING(OUTSTANDING)
    ) axi_read_inst (
        .clk            (clk),
        .rst            (rst),
        .image_base     (image_base),
        .flush          (flush),
        .idle           (rd_idle),
        .outstanding    (rd_outstanding),
        .oldest_addr    (rd_oldest_addr),
        .progress       (rd_progress),
        .ev_bytes       (ev_bytes_read),
        .err_valid      (err_bus_read),
        .err_addr       (err_bus_read_addr),
        .fill_valid     (fill_valid),
        .fill_ready     (fill_ready),
        .fill_addr      (fill_addr),
        .fill_rsp_valid (fill_rsp_valid),
        .fill_rsp_data  (fill_rsp_data),
        .m_axi_arid     (m_axi_arid),
        .m_axi_araddr   (m_axi_araddr),
        .m_axi_arlen    (m_axi_arlen),
        .m_axi_arsize   (m_axi_arsize),
        .m_axi_arburst  (m_axi_arburst),
        .m_axi_arvalid  (m_axi_arvalid),
        .m_axi_arready  (m_axi_arready),
        .m_axi_rid      (m_axi_rid),
        .m_axi_rdata    (m_axi_rdata),
        .m_axi_rresp    (m_axi_rresp),
        .m_axi_rlast    (m_axi_rlast),
        .m_axi_rvalid   (m_axi_rvalid),
        .m_axi_rready   (m_axi_rready)
    );

    loas_axi_write #(
        .AXI_W(AXI_W),
        .CHUNK_W(CHUNK_W)
    ) axi_write_inst (
        .clk           (clk),
        .rst           (rst),
        .image_base    (image_base),
        .image_size    (image_size),
        .flush         (flush),
        .idle          (wr_idle),
        .outstanding   (wr_outstanding),
        .oldest_addr   (wr_oldest_addr),
        .progress      (wr_progress),
        .ev_bytes      (ev_bytes_written),
        .err_pointer   (err_write_pointer),
        .err_valid     (err_bus_write),
        .err_addr      (err_bus_write_addr),
        .cmd_valid     (cmd_valid),
        .cmd_ready     (cmd_ready),
        .cmd_addr      (cmd_addr),
        .cmd_chunks    (cmd_chunks),
        .wr_valid      (wr_valid),
        .wr_ready      (wr_ready),
        .wr_data       (wr_data),
        .m_axi_awid    (m_axi_awid),
        .m_axi_awaddr  (m_axi_awaddr),
        .m_axi_awlen   (m_axi_awlen),
        .m_axi_awsize  (m_axi_awsize),
        .m_axi_awburst (m_axi_awburst),
        .m_axi_awvalid (m_axi_awvalid),
        .m_axi_awready (m_axi_awready),
        .m_axi_wdata   (m_axi_wdata),
        .m_axi_wstrb   (m_axi_wstrb),
        .m_axi_wlast   (m_axi_wlast),
        .m_axi_wvalid  (m_axi_wvalid),
        .m_axi_wready  (m_axi_wready),
        .m_axi_bid     (m_axi_bid),
        .m_axi_bresp   (m_axi_bresp),
        .m_axi_bvalid  (m_axi_bvalid),
        .m_axi_bready  (m_axi_bready)
    );

endmodule

`resetall
