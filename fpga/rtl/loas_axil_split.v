// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4-Lite: one master, two slaves, told apart by address bit SELECT.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a transaction at s_axil_* goes to m0_* when bit SELECT of its address is 0, else to m1_*, with that bit and
// those above it zero. One write and one read at a time; reads and writes do not wait for each other. A write begins
// when address and data are both there; they are taken together. Every transfer takes a cycle more than the slave's
// own.
module loas_axil_split #(
    parameter integer SELECT = 30
) (
    input  wire        clk,
    input  wire        rst,

    input  wire [31:0] s_axil_awaddr,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [31:0] s_axil_wdata,
    input  wire [3:0]  s_axil_wstrb,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    output wire [1:0]  s_axil_bresp,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    input  wire [31:0] s_axil_araddr,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    output wire [31:0] s_axil_rdata,
    output wire [1:0]  s_axil_rresp,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready,

    output wire [31:0] m_axil_awaddr,    // of both
    output wire [31:0] m_axil_wdata,
    output wire [3:0]  m_axil_wstrb,
    output wire [31:0] m_axil_araddr,

    output wire        m0_axil_awvalid,
    input  wire        m0_axil_awready,
    output wire        m0_axil_wvalid,
    input  wire        m0_axil_wready,
    input  wire [1:0]  m0_axil_bresp,
    input  wire        m0_axil_bvalid,
    output wire        m0_axil_bready,
    output wire        m0_axil_arvalid,
    input  wire        m0_axil_arready,
    input  wire [31:0] m0_axil_rdata,
    input  wire [1:0]  m0_axil_rresp,
    input  wire        m0_axil_rvalid,
    output wire        m0_axil_rready,

    output wire        m1_axil_awvalid,
    input  wire        m1_axil_awready,
    output wire        m1_axil_wvalid,
    input  wire        m1_axil_wready,
    input  wire [1:0]  m1_axil_bresp,
    input  wire        m1_axil_bvalid,
    output wire        m1_axil_bready,
    output wire        m1_axil_arvalid,
    input  wire        m1_axil_arready,
    input  wire [31:0] m1_axil_rdata,
    input  wire [1:0]  m1_axil_rresp,
    input  wire        m1_axil_rvalid,
    output wire        m1_axil_rready
);

    localparam [31:0] INSIDE = (32'd1 << SELECT) - 32'd1;

    // ---------------------------------------------------------------------------------------------------------- writes
    reg        w_busy_reg;
    reg        w_one_reg;       // it goes to the second slave
    reg        aw_wait_reg;     // not taken yet
    reg        w_wait_reg;
    reg [31:0] awaddr_reg;
    reg [31:0] wdata_reg;
    reg [3:0]  wstrb_reg;

    wire w_take = !w_busy_reg && s_axil_awvalid && s_axil_wvalid;

    assign s_axil_awready  = w_take;
    assign s_axil_wready   = w_take;
    assign m_axil_awaddr   = awaddr_reg;
    assign m_axil_wdata    = wdata_reg;
    assign m_axil_wstrb    = wstrb_reg;
    assign m0_axil_awvalid = aw_wait_reg && !w_one_reg;
    assign m1_axil_awvalid = aw_wait_reg && w_one_reg;
    assign m0_axil_wvalid  = w_wait_reg && !w_one_reg;
    assign m1_axil_wvalid  = w_wait_reg && w_one_reg;
    assign s_axil_bvalid   = w_busy_reg && (w_one_reg ? m1_axil_bvalid : m0_axil_bvalid);
    assign s_axil_bresp    = w_one_reg ? m1_axil_bresp : m0_axil_bresp;
    assign m0_axil_bready  = w_busy_reg && !w_one_reg && s_axil_bready;
    assign m1_axil_bready  = w_busy_reg && w_one_reg && s_axil_bready;

    always @(posedge clk) begin
        if (w_take) begin
            w_busy_reg  <= 1'b1;
            w_one_reg   <= s_axil_awaddr[SELECT];
            awaddr_reg  <= s_axil_awaddr & INSIDE;
            wdata_reg   <= s_axil_wdata;
            wstrb_reg   <= s_axil_wstrb;
            aw_wait_reg <= 1'b1;
            w_wait_reg  <= 1'b1;
        end else begin
            if (w_one_reg ? m1_axil_awready : m0_axil_awready) aw_wait_reg <= 1'b0;
            if (w_one_reg ? m1_axil_wready : m0_axil_wready) w_wait_reg <= 1'b0;
            if (s_axil_bvalid && s_axil_bready) w_busy_reg <= 1'b0;
        end
        if (rst) begin
            w_busy_reg  <= 1'b0;
            aw_wait_reg <= 1'b0;
            w_wait_reg  <= 1'b0;
        end
    end

    // ----------------------------------------------------------------------------------------------------------- reads
    reg        r_busy_reg;
    reg        r_one_reg;
    reg        ar_wait_reg;
    reg [31:0] araddr_reg;

    assign s_axil_arready  = !r_busy_reg;
    assign m_axil_araddr   = araddr_reg;
    assign m0_axil_arvalid = ar_wait_reg && !r_one_reg;
    assign m1_axil_arvalid = ar_wait_reg && r_one_reg;
    assign s_axil_rvalid   = r_busy_reg && (r_one_reg ? m1_axil_rvalid : m0_axil_rvalid);
    assign s_axil_rdata    = r_one_reg ? m1_axil_rdata : m0_axil_rdata;
    assign s_axil_rresp    = r_one_reg ? m1_axil_rresp : m0_axil_rresp;
    assign m0_axil_rready  = r_busy_reg && !r_one_reg && s_axil_rready;
    assign m1_axil_rready  = r_busy_reg && r_one_reg && s_axil_rready;

    always @(posedge clk) begin
        if (s_axil_arvalid && s_axil_arready) begin
            r_busy_reg  <= 1'b1;
            r_one_reg   <= s_axil_araddr[SELECT];
            araddr_reg  <= s_axil_araddr & INSIDE;
            ar_wait_reg <= 1'b1;
        end else begin
            if (r_one_reg ? m1_axil_arready : m0_axil_arready) ar_wait_reg <= 1'b0;
            if (s_axil_rvalid && s_axil_rready) r_busy_reg <= 1'b0;
        end
        if (rst) begin
            r_busy_reg  <= 1'b0;
            ar_wait_reg <= 1'b0;
        end
    end

endmodule

`resetall
