// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Both AXI masters with the protocol checker, on loas_sim_mem or on a memory outside (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// ext = 0: the masters talk to loas_sim_mem (inside); ext = 1: to the m_axi_* ports. Change it only under rst.
module tb_loas_axi #(
    parameter integer AXI_W       = 64,
    parameter integer LINE_W      = 128,
    parameter integer CHUNK_W     = 64,
    parameter integer OUTSTANDING = 8,
    parameter integer BYTES       = 65536
) (
    input  wire                         clk,
    input  wire                         rst,
    input  wire                         ext,
    input  wire [31:0]                  image_base,
    input  wire [31:0]                  image_size,
    input  wire                         flush,
    output wire                         check_error,
    output wire                         check_busy,
    output wire [15:0]                  peak_reads,
    output wire [15:0]                  peak_writes,
    // memory model
    input  wire [15:0]                  latency,
    input  wire [6:0]                   stall_percent,
    input  wire [31:0]                  seed,
    input  wire                         err_en,
    input  wire [1:0]                   err_resp,
    input  wire [31:0]                  err_at,
    input  wire                         hang,
    input  wire [2:0]                   manner,
    // read master
    output wire                         rd_idle,
    output wire                         rd_outstanding,
    output wire [31:0]                  rd_oldest_addr,
    output wire                         rd_progress,
    output wire [$clog2(AXI_W/8+1)-1:0] rd_ev_bytes,
    output wire                         rd_err_valid,
    output wire [31:0]                  rd_err_addr,
    input  wire                         fill_valid,
    output wire                         fill_ready,
    input  wire [31:0]                  fill_addr,
    output wire                         fill_rsp_valid,
    output wire [LINE_W-1:0]            fill_rsp_data,
    // write master
    output wire                         wm_idle,
    output wire                         wm_outstanding,
    output wire [31:0]                  wm_oldest_addr,
    output wire                         wm_progress,
    output wire [$clog2(AXI_W/8+1)-1:0] wm_ev_bytes,
    output wire                         wm_err_pointer,
    output wire                         wm_err_valid,
    output wire [31:0]                  wm_err_addr,
    input  wire                         cmd_valid,
    output wire                         cmd_ready,
    input  wire [31:0]                  cmd_addr,
    input  wire [16:0]                  cmd_chunks,
    input  wire                         wr_valid,
    output wire                         wr_ready,
    input  wire [CHUNK_W-1:0]           wr_data,
    // AXI4 to a memory outside
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
    output wire                         m_axi_bready,
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
    output wire                         m_axi_rready
);

    wire             awvalid, wvalid, arvalid;
    wire             mem_awready, mem_wready, mem_arready, mem_bid, mem_bvalid, mem_rid, mem_rvalid, mem_rlast;
    wire [1:0]       mem_bresp, mem_rresp;
    wire [AXI_W-1:0] mem_rdata;

    wire             awready = ext ? m_axi_awready : mem_awready;
    wire             wready  = ext ? m_axi_wready : mem_wready;
    wire             arready = ext ? m_axi_arready : mem_arready;
    wire             bid     = ext ? m_axi_bid : mem_bid;
    wire             bvalid  = ext ? m_axi_bvalid : mem_bvalid;
    wire [1:0]       bresp   = ext ? m_axi_bresp : mem_bresp;
    wire             rid     = ext ? m_axi_rid : mem_rid;
    wire             rvalid  = ext ? m_axi_rvalid : mem_rvalid;
    wire             rlast   = ext ? m_axi_rlast : mem_rlast;
    wire [1:0]       rresp   = ext ? m_axi_rresp : mem_rresp;
    wire [AXI_W-1:0] rdata   = ext ? m_axi_rdata : mem_rdata;

    assign m_axi_awvalid = awvalid && ext;
    assign m_axi_wvalid  = wvalid && ext;
    assign m_axi_arvalid = arvalid && ext;

    loas_axi_read #(
        .AXI_W      (AXI_W),
        .LINE_W     (LINE_W),
        .OUTSTANDING(OUTSTANDING)
    ) read_inst (
        .clk           (clk),
        .rst           (rst),
        .image_base    (image_base),
        .flush         (flush),
        .idle          (rd_idle),
        .outstanding   (rd_outstanding),
        .oldest_addr   (rd_oldest_addr),
        .progress      (rd_progress),
        .ev_bytes      (rd_ev_bytes),
        .err_valid     (rd_err_valid),
        .err_addr      (rd_err_addr),
        .fill_valid    (fill_valid),
        .fill_ready    (fill_ready),
        .fill_addr     (fill_addr),
        .fill_rsp_valid(fill_rsp_valid),
        .fill_rsp_data (fill_rsp_data),
        .m_axi_arid    (m_axi_arid),
        .m_axi_araddr  (m_axi_araddr),
        .m_axi_arlen   (m_axi_arlen),
        .m_axi_arsize  (m_axi_arsize),
        .m_axi_arburst (m_axi_arburst),
        .m_axi_arvalid (arvalid),
        .m_axi_arready (arready),
        .m_axi_rid     (rid),
        .m_axi_rdata   (rdata),
        .m_axi_rresp   (rresp),
        .m_axi_rlast   (rlast),
        .m_axi_rvalid  (rvalid),
        .m_axi_rready  (m_axi_rready)
    );

    loas_axi_write #(
        .AXI_W  (AXI_W),
        .CHUNK_W(CHUNK_W)
    ) write_inst (
        .clk          (clk),
        .rst          (rst),
        .image_base   (image_base),
        .image_size   (image_size),
        .flush        (flush),
        .idle         (wm_idle),
        .outstanding  (wm_outstanding),
        .oldest_addr  (wm_oldest_addr),
        .progress     (wm_progress),
        .ev_bytes     (wm_ev_bytes),
        .err_pointer  (wm_err_pointer),
        .err_valid    (wm_err_valid),
        .err_addr     (wm_err_addr),
        .cmd_valid    (cmd_valid),
        .cmd_ready    (cmd_ready),
        .cmd_addr     (cmd_addr),
        .cmd_chunks   (cmd_chunks),
        .wr_valid     (wr_valid),
        .wr_ready     (wr_ready),
        .wr_data      (wr_data),
        .m_axi_awid   (m_axi_awid),
        .m_axi_awaddr (m_axi_awaddr),
        .m_axi_awlen  (m_axi_awlen),
        .m_axi_awsize (m_axi_awsize),
        .m_axi_awburst(m_axi_awburst),
        .m_axi_awvalid(awvalid),
        .m_axi_awready(awready),
        .m_axi_wdata  (m_axi_wdata),
        .m_axi_wstrb  (m_axi_wstrb),
        .m_axi_wlast  (m_axi_wlast),
        .m_axi_wvalid (wvalid),
        .m_axi_wready (wready),
        .m_axi_bid    (bid),
        .m_axi_bresp  (bresp),
        .m_axi_bvalid (bvalid),
        .m_axi_bready (m_axi_bready)
    );

    loas_sim_mem #(
        .AXI_W(AXI_W),
        .BYTES(BYTES)
    ) mem_inst (
        .clk          (clk),
        .rst          (rst),
        .latency      (latency),
        .stall_percent(stall_percent),
        .seed         (seed),
        .err_en       (err_en),
        .err_resp     (err_resp),
        .err_addr     (err_at),
        .hang         (hang),
        .manner       (manner),
        .s_axi_awid   (m_axi_awid),
        .s_axi_awaddr (m_axi_awaddr),
        .s_axi_awlen  (m_axi_awlen),
        .s_axi_awvalid(awvalid && !ext),
        .s_axi_awready(mem_awready),
        .s_axi_wdata  (m_axi_wdata),
        .s_axi_wstrb  (m_axi_wstrb),
        .s_axi_wlast  (m_axi_wlast),
        .s_axi_wvalid (wvalid && !ext),
        .s_axi_wready (mem_wready),
        .s_axi_bid    (mem_bid),
        .s_axi_bresp  (mem_bresp),
        .s_axi_bvalid (mem_bvalid),
        .s_axi_bready (m_axi_bready),
        .s_axi_arid   (m_axi_arid),
        .s_axi_araddr (m_axi_araddr),
        .s_axi_arlen  (m_axi_arlen),
        .s_axi_arvalid(arvalid && !ext),
        .s_axi_arready(mem_arready),
        .s_axi_rid    (mem_rid),
        .s_axi_rdata  (mem_rdata),
        .s_axi_rresp  (mem_rresp),
        .s_axi_rlast  (mem_rlast),
        .s_axi_rvalid (mem_rvalid),
        .s_axi_rready (m_axi_rready)
    );

    loas_axi_checker #(
        .AXI_W(AXI_W)
    ) checker_inst (
        .clk        (clk),
        .rst        (rst),
        .error      (check_error),
        .busy       (check_busy),
        .peak_reads (peak_reads),
        .peak_writes(peak_writes),
        .awaddr     (m_axi_awaddr),
        .awlen      (m_axi_awlen),
        .awsize     (m_axi_awsize),
        .awburst    (m_axi_awburst),
        .awvalid    (awvalid),
        .awready    (awready),
        .wdata      (m_axi_wdata),
        .wstrb      (m_axi_wstrb),
        .wlast      (m_axi_wlast),
        .wvalid     (wvalid),
        .wready     (wready),
        .bresp      (bresp),
        .bvalid     (bvalid),
        .bready     (m_axi_bready),
        .araddr     (m_axi_araddr),
        .arlen      (m_axi_arlen),
        .arsize     (m_axi_arsize),
        .arburst    (m_axi_arburst),
        .arvalid    (arvalid),
        .arready    (arready),
        .rdata      (rdata),
        .rresp      (rresp),
        .rlast      (rlast),
        .rvalid     (rvalid),
        .rready     (m_axi_rready)
    );

endmodule

`resetall
