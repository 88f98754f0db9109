// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// The host link with an AXI4-Lite slave that waits, errs and hangs (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: WORDS words of memory at 0x4000_0000, a counter of writes at 0x0000_0000 (any write adds 1 to it), SLVERR
// for the rest of the first 4 KB, DECERR elsewhere. Every channel waits a random number of cycles. While `hang` is high
// the slave takes and answers nothing. Bit 0 of `manner`: READY is low until VALID was seen; bits 2:1: 0 data after
// their address, 1 as they come, 2 and 3 the address after its data; board_rst makes it forget what it has taken.
// `writes` counts all writes done.
module tb_host_link #(
    parameter integer CLK_HZ       = 12000000,
    parameter integer BAUD         = 3000000,
    parameter integer BUFFER_WORDS = 8,
    parameter integer GAP_CYCLES   = 2000,
    parameter integer BUS_CYCLES   = 200,
    parameter integer WORDS        = 256
) (
    input  wire        clk,
    input  wire        rst,
    input  wire        uart_rxd,
    output wire        uart_txd,
    input  wire        hang,
    input  wire [2:0]  manner,
    output wire        axi_error,   // the protocol was broken
    output wire        board_rst,
    output wire [31:0] writes
);

    localparam integer INDEX_W = $clog2(WORDS);

    wire [31:0] awaddr;
    wire        awvalid;
    wire        awready;
    wire [31:0] wdata;
    wire [3:0]  wstrb;
    wire        wvalid;
    wire        wready;
    wire        bready;
    wire [31:0] araddr;
    wire        arvalid;
    wire        arready;
    wire        rready;
    reg  [1:0]  bresp;
    reg         bvalid;
    reg  [31:0] rdata;
    reg  [1:0]  rresp;
    reg         rvalid;

    loas_host_link #(
        .CLK_HZ(CLK_HZ),
        .BAUD(BAUD),
        .BUFFER_WORDS(BUFFER_WORDS),
        .GAP_CYCLES(GAP_CYCLES),
        .BUS_CYCLES(BUS_CYCLES),
        .BOARD_ID(32'h54534554),
        .BITSTREAM_ID(32'h12345678),
        .MEM_BASE(32'h40000000),
        .MEM_BYTES(4 * WORDS)
    ) link_inst (
        .clk(clk),
        .rst(rst),
        .uart_rxd(uart_rxd),
        .uart_txd(uart_txd),
        .m_axil_awaddr(awaddr),
        .m_axil_awvalid(awvalid),
        .m_axil_awready(awready),
        .m_axil_wdata(wdata),
        .m_axil_wstrb(wstrb),
        .m_axil_wvalid(wvalid),
        .m_axil_wready(wready),
        .m_axil_bresp(bresp),
        .m_axil_bvalid(bvalid),
        .m_axil_bready(bready),
        .m_axil_araddr(araddr),
        .m_axil_arvalid(arvalid),
        .m_axil_arready(arready),
        .m_axil_rdata(rdata),
        .m_axil_rresp(rresp),
        .m_axil_rvalid(rvalid),
        .m_axil_rready(rready),
        .board_rst(board_rst)
    );

    reg [31:0] mem [0:WORDS-1];
    integer    word;
    initial for (word = 0; word < WORDS; word = word + 1) mem[word] = 32'd0;

    reg  [15:0] chance_reg;
    reg  [31:0] writes_reg;
    reg  [31:0] count_reg;
    reg         aw_reg;
    reg         w_reg;
    reg         ar_reg;
    reg  [31:0] aw_addr_reg;
    reg  [31:0] w_data_reg;
    reg  [31:0] ar_addr_reg;
    reg         aw_seen_reg;
    reg         w_seen_reg;
    reg         ar_seen_reg;
    assign awready = !aw_reg && chance_reg[0] && !hang && (aw_seen_reg || !manner[0]) && (w_reg || !manner[2]);
    assign wready  = !w_reg && chance_reg[1] && !hang && (w_seen_reg || !manner[0]) && (aw_reg || manner[2:1] != 2'd0);
    assign arready = !ar_reg && chance_reg[2] && !hang && (ar_seen_reg || !manner[0]);

    always @(posedge clk) begin
        aw_seen_reg <= awvalid && !awready && !board_rst;
        w_seen_reg  <= wvalid && !wready && !board_rst;
        ar_seen_reg <= arvalid && !arready && !board_rst;
    end

    loas_axil_checker #(
        .ADDR_W(32)
    ) checker_inst (
        .clk(clk),
        .rst(rst || board_rst),
        .error(axi_error),
        .awaddr(awaddr),
        .awvalid(awvalid),
        .awready(awready),
        .wdata(wdata),
        .wstrb(wstrb),
        .wvalid(wvalid),
        .wready(wready),
        .bresp(bresp),
        .bvalid(bvalid),
        .bready(bready),
        .araddr(araddr),
        .arvalid(arvalid),
        .arready(arready),
        .rdata(rdata),
        .rresp(rresp),
        .rvalid(rvalid),
        .rready(rready)
    );

    assign writes = writes_reg;

    function [1:0] response(input [31:0] addr);
        if (addr[31:28] == 4'h4 && {4'd0, addr[27:0]} < 4 * WORDS) response = 2'b00;
        else if (addr[31:2] == 30'd0) response = 2'b00;
        else if (addr[31:12] == 20'd0) response = 2'b10;
        else response = 2'b11;
    endfunction

    always @(posedge clk) begin
        chance_reg <= {chance_reg[14:0], chance_reg[15] ^ chance_reg[13] ^ chance_reg[12] ^ chance_reg[10]};
        if (awvalid && awready) begin
            aw_reg      <= 1'b1;
            aw_addr_reg <= awaddr;
        end
        if (wvalid && wready) begin
            w_reg      <= 1'b1;
            w_data_reg <= wdata;
            if (wstrb != 4'hF) $display("tb_host_link: partial write");
        end
        if (aw_reg && w_reg && !bvalid && chance_reg[3] && !hang) begin
            bvalid <= 1'b1;
            bresp  <= response(aw_addr_reg);
            if (response(aw_addr_reg) == 2'b00) begin
                writes_reg <= writes_reg + 32'd1;
                if (aw_addr_reg[30]) mem[aw_addr_reg[INDEX_W+1:2]] <= w_data_reg;
                else count_reg <= count_reg + 32'd1;
            end
        end
        if (bvalid && bready) begin
            bvalid <= 1'b0;
            aw_reg <= 1'b0;
            w_reg  <= 1'b0;
        end
        if (arvalid && arready) begin
            ar_reg      <= 1'b1;
            ar_addr_reg <= araddr;
        end
        if (ar_reg && !rvalid && chance_reg[4] && !hang) begin
            rvalid <= 1'b1;
            rresp  <= response(ar_addr_reg);
            rdata  <= response(ar_addr_reg) != 2'b00 ? 32'hDEADBEEF : ar_addr_reg[30]
                ? mem[ar_addr_reg[INDEX_W+1:2]] : count_reg;
        end
        if (rvalid && rready) begin
            rvalid <= 1'b0;
            ar_reg <= 1'b0;
        end
        if (board_rst) begin
            aw_reg <= 1'b0;
            w_reg  <= 1'b0;
            ar_reg <= 1'b0;
            bvalid <= 1'b0;
            rvalid <= 1'b0;
        end
        if (rst) begin
            chance_reg <= 16'hACE1;
            writes_reg <= 32'd0;
            count_reg  <= 32'd0;
        end
    end

endmodule

`resetall
