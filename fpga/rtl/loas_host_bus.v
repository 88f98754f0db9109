// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// AXI4-Lite master that does one access at a time.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: an access begins when cmd_valid and cmd_ready; rsp_valid is high for one cycle when it is over, with
// rsp_resp and, of a read, rsp_data. Address and data of a write are offered together and taken in any order. Nothing
// else begins before. If the slave never answers, cmd_ready stays low: `rst` alone ends an access, and must reset the
// slaves too.
module loas_host_bus (
    input  wire        clk,
    input  wire        rst,

    input  wire        cmd_valid,
    output wire        cmd_ready,
    input  wire        cmd_write,
    input  wire [31:0] cmd_addr,
    input  wire [31:0] cmd_data,
    output wire        rsp_valid,
    output wire [1:0]  rsp_resp,
    output wire [31:0] rsp_data,

    // AXI4-Lite
    output wire [31:0] m_axil_awaddr,
    output wire        m_axil_awvalid,
    input  wire        m_axil_awready,
    output wire [31:0] m_axil_wdata,
    output wire [3:0]  m_axil_wstrb,
    output wire        m_axil_wvalid,
    input  wire        m_axil_wready,
    input  wire [1:0]  m_axil_bresp,
    input  wire        m_axil_bvalid,
    output wire        m_axil_bready,
    output wire [31:0] m_axil_araddr,
    output wire        m_axil_arvalid,
    input  wire        m_axil_arready,
    input  wire [31:0] m_axil_rdata,
    input  wire [1:0]  m_axil_rresp,
    input  wire        m_axil_rvalid,
    output wire        m_axil_rready
);

    reg        write_reg;    // a write is under way
    reg        read_reg;     // a read is under way
    reg        awvalid_reg;
    reg        wvalid_reg;
    reg        arvalid_reg;
    reg [31:0] addr_reg;
    reg [31:0] data_reg;

    assign cmd_ready = !write_reg && !read_reg;
    assign rsp_valid = (m_axil_bvalid && write_reg) || (m_axil_rvalid && read_reg);
    assign rsp_resp  = write_reg ? m_axil_bresp : m_axil_rresp;
    assign rsp_data  = m_axil_rdata;

    assign m_axil_awaddr  = addr_reg;
    assign m_axil_awvalid = awvalid_reg;
    assign m_axil_wdata   = data_reg;
    assign m_axil_wstrb   = 4'hF;
    assign m_axil_wvalid  = wvalid_reg;
    assign m_axil_bready  = write_reg;
    assign m_axil_araddr  = addr_reg;
    assign m_axil_arvalid = arvalid_reg;
    assign m_axil_rready  = read_reg;

    always @(posedge clk) begin
        if (m_axil_awready) awvalid_reg <= 1'b0;
        if (m_axil_wready)  wvalid_reg  <= 1'b0;
        if (m_axil_arready) arvalid_reg <= 1'b0;
        if (rsp_valid) begin
            write_reg <= 1'b0;
            read_reg  <= 1'b0;
        end
        if (cmd_valid && cmd_ready) begin
            write_reg   <= cmd_write;
            read_reg    <= !cmd_write;
            awvalid_reg <= cmd_write;
            wvalid_reg  <= cmd_write;
            arvalid_reg <= !cmd_write;
            addr_reg    <= cmd_addr;
            data_reg    <= cmd_data;
        end
        if (rst) begin
            write_reg   <= 1'b0;
            read_reg    <= 1'b0;
            awvalid_reg <= 1'b0;
            wvalid_reg  <= 1'b0;
            arvalid_reg <= 1'b0;
        end
    end

endmodule

`resetall
