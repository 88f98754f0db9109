// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// A host's serial port as standard input and output of the simulator (simulation only).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: the real driver is to talk to the simulated board through its UART pins.
//
// Contract: the parent gives the simulator a pseudo-terminal's master, not blocking, as standard input and output
// (scripts/fpga_sim.py). Bytes from there go out at txd, bytes that come in at rxd go there. An empty input is looked
// at again after 64 cycles. Bytes with a bad stop bit are not passed on, as a USB adapter's driver would not.
module loas_pty #(
    parameter integer CLK_HZ = 50000000,
    parameter integer BAUD   = 12500000
) (
    input  wire clk,
    input  wire rst,
    input  wire rxd,
    output wire txd
);

    localparam [31:0] STDIN  = 32'h8000_0000;
    localparam [31:0] STDOUT = 32'h8000_0001;

    wire       ready;
    reg        valid;
    reg  [7:0] data;
    wire       got_valid;
    wire       got_error;
    wire [7:0] got_data;
    reg  [5:0] pause;
    integer    value;

    loas_uart_tx #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) tx_inst (
        .clk(clk), .rst(rst), .s_valid(valid), .s_ready(ready), .s_data(data), .txd(txd)
    );

    loas_uart_rx #(.CLK_HZ(CLK_HZ), .BAUD(BAUD)) rx_inst (
        .clk(clk), .rst(rst), .rxd(rxd), .m_valid(got_valid), .m_error(got_error), .m_data(got_data)
    );

    initial begin
        valid = 1'b0;
        pause = 6'd0;
    end

    always @(posedge clk) begin
        pause <= pause - 6'd1;
        if (valid && ready) valid <= 1'b0;
        if (!rst && !valid && ready && pause == 6'd0) begin
            value = $fgetc(STDIN);
            if (value >= 0) begin
                valid <= 1'b1;
                data  <= value[7:0];
                pause <= 6'd0;
            end else begin
                pause <= 6'd63;
            end
        end else if (valid) begin
            pause <= 6'd0;
        end
        if (got_valid && !got_error) begin
            $fwrite(STDOUT, "%c", got_data);
            $fflush(STDOUT);
        end
    end

endmodule

`resetall
