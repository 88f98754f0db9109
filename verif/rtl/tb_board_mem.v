// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Test top: image memory of a board with an SDRAM behind it, and registers at the pins.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module tb_board_mem #(
    parameter integer AXI_W      = 64,
    parameter integer RAM_BYTES  = 256,
    parameter integer SDRAM_EN   = 1,
    parameter integer PIN_STAGES = 1
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 s_axi_arid,
    input  wire [31:0]          s_axi_araddr,
    input  wire [7:0]           s_axi_arlen,
    input  wire [2:0]           s_axi_arsize,
    input  wire [1:0]           s_axi_arburst,
    input  wire                 s_axi_arvalid,
    output wire                 s_axi_arready,
    output wire                 s_axi_rid,
    output wire [AXI_W-1:0]     s_axi_rdata,
    output wire [1:0]           s_axi_rresp,
    output wire                 s_axi_rlast,
    output wire                 s_axi_rvalid,
    input  wire                 s_axi_rready,
    input  wire                 s_axi_awid,
    input  wire [31:0]          s_axi_awaddr,
    input  wire [7:0]           s_axi_awlen,
    input  wire [2:0]           s_axi_awsize,
    input  wire [1:0]           s_axi_awburst,
    input  wire                 s_axi_awvalid,
    output wire                 s_axi_awready,
    input  wire [AXI_W-1:0]     s_axi_wdata,
    input  wire [AXI_W/8-1:0]   s_axi_wstrb,
    input  wire                 s_axi_wlast,
    input  wire                 s_axi_wvalid,
    output wire                 s_axi_wready,
    output wire                 s_axi_bid,
    output wire [1:0]           s_axi_bresp,
    output wire                 s_axi_bvalid,
    input  wire                 s_axi_bready,
    input  wire [31:0]          s_axil_awaddr,
    input  wire                 s_axil_awvalid,
    output wire                 s_axil_awready,
    input  wire [31:0]          s_axil_wdata,
    input  wire [3:0]           s_axil_wstrb,
    input  wire                 s_axil_wvalid,
    output wire                 s_axil_wready,
    output wire [1:0]           s_axil_bresp,
    output wire                 s_axil_bvalid,
    input  wire                 s_axil_bready,
    input  wire [31:0]          s_axil_araddr,
    input  wire                 s_axil_arvalid,
    output wire                 s_axil_arready,
    output wire [31:0]          s_axil_rdata,
    output wire [1:0]           s_axil_rresp,
    output wire                 s_axil_rvalid,
    input  wire                 s_axil_rready,
    output wire                 axi_error,    // the protocol of a port was broken
    output wire [31:0]          violations,
    output wire [31:0]          refreshes,
    output wire [31:0]          reads
);

    wire        port_error, host_error, busy;
    wire [15:0] peak_reads, peak_writes;
    assign axi_error = port_error || host_error;

    loas_axi_checker #(
        .AXI_W(AXI_W),
        .ALIGNED(0)
    ) checker_inst (
        .clk(clk),
        .rst(rst),
        .error(port_error),
        .busy(busy),
        .peak_reads(peak_reads),
        .peak_writes(peak_writes),
        .awaddr(s_axi_awaddr),
        .awlen(s_axi_awlen),
        .awsize(s_axi_awsize),
        .awburst(s_axi_awburst),
        .awvalid(s_axi_awvalid),
        .awready(s_axi_awready),
        .wdata(s_axi_wdata),
        .wstrb(s_axi_wstrb),
        .wlast(s_axi_wlast),
        .wvalid(s_axi_wvalid),
        .wready(s_axi_wready),
        .bresp(s_axi_bresp),
        .bvalid(s_axi_bvalid),
        .bready(s_axi_bready),
        .araddr(s_axi_araddr),
        .arlen(s_axi_arlen),
        .arsize(s_axi_arsize),
        .arburst(s_axi_arburst),
        .arvalid(s_axi_arvalid),
        .arready(s_axi_arready),
        .rdata(s_axi_rdata),
        .rresp(s_axi_rresp),
        .rlast(s_axi_rlast),
        .rvalid(s_axi_rvalid),
        .rready(s_axi_rready)
    );

    loas_axil_checker #(
        .ADDR_W(32)
    ) lite_checker_inst (
        .clk(clk),
        .rst(rst),
        .error(host_error),
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

    wire        cke, cs_n, ras_n, cas_n, we_n, dq_oe;
    wire [1:0]  ba, dqm;
    wire [12:0] a;
    wire [15:0] dq_out, dq_in;
    wire [15:0] dq;

    loas_board_mem #(
        .AXI_W(AXI_W), .RAM_BYTES(RAM_BYTES), .SDRAM_EN(SDRAM_EN), .CLK_HZ(50_000_000), .INIT_US(1),
        .PIN_STAGES(PIN_STAGES)
    ) mem_inst (
        .clk           (clk),
        .rst           (rst),
        .s_axi_arid     (s_axi_arid),
        .s_axi_araddr   (s_axi_araddr),
        .s_axi_arlen    (s_axi_arlen),
        .s_axi_arvalid  (s_axi_arvalid),
        .s_axi_arready  (s_axi_arready),
        .s_axi_rid      (s_axi_rid),
        .s_axi_rdata    (s_axi_rdata),
        .s_axi_rresp    (s_axi_rresp),
        .s_axi_rlast    (s_axi_rlast),
        .s_axi_rvalid   (s_axi_rvalid),
        .s_axi_rready   (s_axi_rready),
        .s_axi_awid     (s_axi_awid),
        .s_axi_awaddr   (s_axi_awaddr),
        .s_axi_awvalid  (s_axi_awvalid),
        .s_axi_awready  (s_axi_awready),
        .s_axi_wdata    (s_axi_wdata),
        .s_axi_wstrb    (s_axi_wstrb),
        .s_axi_wlast    (s_axi_wlast),
        .s_axi_wvalid   (s_axi_wvalid),
        .s_axi_wready   (s_axi_wready),
        .s_axi_bid      (s_axi_bid),
        .s_axi_bresp    (s_axi_bresp),
        .s_axi_bvalid   (s_axi_bvalid),
        .s_axi_bready   (s_axi_bready),
        .s_axil_awaddr   (s_axil_awaddr),
        .s_axil_awvalid  (s_axil_awvalid),
        .s_axil_awready  (s_axil_awready),
        .s_axil_wdata    (s_axil_wdata),
        .s_axil_wstrb    (s_axil_wstrb),
        .s_axil_wvalid   (s_axil_wvalid),
        .s_axil_wready   (s_axil_wready),
        .s_axil_bresp    (s_axil_bresp),
        .s_axil_bvalid   (s_axil_bvalid),
        .s_axil_bready   (s_axil_bready),
        .s_axil_araddr   (s_axil_araddr),
        .s_axil_arvalid  (s_axil_arvalid),
        .s_axil_arready  (s_axil_arready),
        .s_axil_rdata    (s_axil_rdata),
        .s_axil_rresp    (s_axil_rresp),
        .s_axil_rvalid   (s_axil_rvalid),
        .s_axil_rready   (s_axil_rready),
        .sdram_cke     (cke),
        .sdram_cs_n    (cs_n),
        .sdram_ras_n   (ras_n),
        .sdram_cas_n   (cas_n),
        .sdram_we_n    (we_n),
        .sdram_ba      (ba),
        .sdram_a       (a),
        .sdram_dqm     (dqm),
        .sdram_dq_out  (dq_out),
        .sdram_dq_oe   (dq_oe),
        .sdram_dq_in   (dq_in)
    );

    wire [38:0] now = {cke, cs_n, ras_n, cas_n, we_n, ba, a, dqm, dq_oe, dq_out};
    wire [38:0] pins;

    generate
        if (PIN_STAGES == 0) begin : gen_direct
            assign pins  = now;
            assign dq_in = dq;
        end else begin : gen_stage
            reg [38:0] pins_reg;
            reg [15:0] dq_in_reg;
            initial pins_reg = 39'd0;       // as an FPGA's registers come up
            always @(posedge clk) begin
                pins_reg  <= now;
                dq_in_reg <= dq;
            end
            assign pins  = pins_reg;
            assign dq_in = dq_in_reg;
        end
    endgenerate

    assign dq = pins[16] ? pins[15:0] : 16'hzzzz;

    // its clock is behind clk, by less than a period
    loas_sdram_model #(.MEM_WORDS(1 << 16), .INIT_CYCLES(40)) sdram_inst (
        .clk        (!clk),
        .cke        (pins[38]),
        .cs_n       (pins[37]),
        .ras_n      (pins[36]),
        .cas_n      (pins[35]),
        .we_n       (pins[34]),
        .ba         (pins[33:32]),
        .a          (pins[31:19]),
        .dqm        (pins[18:17]),
        .dq         (dq),
        .violations (violations),
        .reads      (reads),
        .refreshes  (refreshes)
    );

    wire unused_ok = &{1'b0, busy, peak_reads, peak_writes};

endmodule

`resetall
