// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Registers with the protocol checker at their port (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: loas_axil_regs port by port; `axi_error` tells of a breach of AXI4-Lite.
module tb_axil_regs #(
    parameter [31:0] CONFIG0 = 0,  // what CONFIG0 to CONFIG5 read
    parameter [31:0] CONFIG1 = 0,
    parameter [31:0] CONFIG2 = 0,
    parameter [31:0] CONFIG3 = 0,
    parameter [31:0] CONFIG4 = 0,
    parameter [31:0] CONFIG5 = 0
) (
    input  wire          clk,
    input  wire          rst,

    // AXI4-Lite
    input  wire [11:0]   s_axil_awaddr,
    input  wire          s_axil_awvalid,
    output wire          s_axil_awready,
    input  wire [31:0]   s_axil_wdata,
    input  wire [3:0]    s_axil_wstrb,
    input  wire          s_axil_wvalid,
    output wire          s_axil_wready,
    output wire [1:0]    s_axil_bresp,
    output wire          s_axil_bvalid,
    input  wire          s_axil_bready,
    input  wire [11:0]   s_axil_araddr,
    input  wire          s_axil_arvalid,
    output wire          s_axil_arready,
    output wire [31:0]   s_axil_rdata,
    output wire [1:0]    s_axil_rresp,
    output wire          s_axil_rvalid,
    input  wire          s_axil_rready,

    // to the control
    output wire          start,
    output wire          soft_reset,
    output wire [31:0]   image_base,
    output wire [31:0]   image_size,
    output wire [31:0]   watchdog,

    // from the control
    input  wire          busy,
    input  wire          done,
    input  wire          error,
    input  wire          draining,
    input  wire          set_done,
    input  wire          set_error,
    input  wire [3:0]    err_code,
    input  wire [31:0]   err_addr,
    input  wire [15:0]   err_layer,
    input  wire [15:0]   layer,
    input  wire [1023:0] perf,

    output wire          irq,
    output wire          axi_error   // the protocol was broken
);

    loas_axil_regs #(
        .CONFIG0(CONFIG0),
        .CONFIG1(CONFIG1),
        .CONFIG2(CONFIG2),
        .CONFIG3(CONFIG3),
        .CONFIG4(CONFIG4),
        .CONFIG5(CONFIG5)
    ) regs_inst (
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
        .start(start),
        .soft_reset(soft_reset),
        .image_base(image_base),
        .image_size(image_size),
        .watchdog(watchdog),
        .busy(busy),
        .done(done),
        .error(error),
        .draining(draining),
        .set_done(set_done),
        .set_error(set_error),
        .err_code(err_code),
        .err_addr(err_addr),
        .err_layer(err_layer),
        .layer(layer),
        .perf(perf),
        .irq(irq)
    );

    loas_axil_checker #(
        .ADDR_W(12)
    ) checker_inst (
        .clk(clk),
        .rst(rst),
        .error(axi_error),
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

endmodule

`resetall
