// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Receiver of a serial line: 8 data bits, no parity, 1 stop bit.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: m_valid or m_error is high for one cycle in the middle of the stop bit; there is no way to hold a byte
// back. m_error: the stop bit was low (wrong rate, a break, noise); then the line has to be high once before a start
// bit counts. A low shorter than half a bit is no start bit. The line is asynchronous; two flip-flops take it over.
//
// Bit times come from an accumulator that gains STEP / 2^20 of a bit a cycle, so any ratio of clock to rate from 4 on
// works; its error is below 2^-21 * CLK_HZ / BAUD. Edge and samples are known to a cycle: with CLK_HZ / BAUD = R cycles
// a bit a sample is at most 1 / R of a bit off, so the last one (9.5 bits after the edge) is within its bit for rates
// that differ by less than (0.5 - 1 / R) / 9.5: 2.6 % at R = 4, 4.6 % at R = 16.
module loas_uart_rx #(
    parameter integer CLK_HZ = 50000000,  // clock
    parameter integer BAUD   = 3000000    // bits a second, at most CLK_HZ / 4
) (
    input  wire       clk,
    input  wire       rst,

    input  wire       rxd,

    output wire       m_valid,
    output wire       m_error,
    output wire [7:0] m_data
);

    localparam integer PHASE_W = 20;
    localparam [63:0] STEP_WIDE = (({32'd0, BAUD[31:0]} << PHASE_W) + {33'd0, CLK_HZ[31:1]}) / {32'd0, CLK_HZ[31:0]};
    localparam [PHASE_W-1:0] STEP = STEP_WIDE[PHASE_W-1:0];
    // half a bit to the middle of the start bit, less the cycle in which the edge was noticed
    localparam [PHASE_W-1:0] HALF = {1'b1, {PHASE_W-1{1'b0}}} + STEP;

    generate
        if (BAUD < 1 || CLK_HZ / 4 < BAUD) begin : gen_illegal
            loas_uart_rx_BAUD_must_be_1_to_CLK_HZ_divided_by_4 rule_inst ();
        end
    endgenerate

    localparam [3:0] BIT_START = 4'd0;
    localparam [3:0] BIT_STOP  = 4'd9;

    reg               rxd_meta_reg;
    reg               rxd_reg;
    reg               armed_reg;   // the line was high since the last byte
    reg               busy_reg;
    reg [3:0]         bit_reg;
    reg [PHASE_W-1:0] phase_reg;
    reg [7:0]         data_reg;
    reg               valid_reg;
    reg               error_reg;

    wire [PHASE_W:0] phase_sum = {1'b0, phase_reg} + {1'b0, STEP};
    wire             sample    = phase_sum[PHASE_W];

    assign m_valid = valid_reg;
    assign m_error = error_reg;
    assign m_data  = data_reg;

    always @(posedge clk) begin
        rxd_meta_reg <= rxd;
        rxd_reg      <= rxd_meta_reg;
        valid_reg    <= 1'b0;
        error_reg    <= 1'b0;
        phase_reg    <= phase_sum[PHASE_W-1:0];
        if (!busy_reg) begin
            armed_reg <= rxd_reg;
            busy_reg  <= armed_reg && !rxd_reg;
            bit_reg   <= BIT_START;
            phase_reg <= HALF;
        end else if (sample) begin
            bit_reg <= bit_reg + 4'd1;
            if (bit_reg == BIT_START) begin
                busy_reg <= !rxd_reg;
            end else if (bit_reg == BIT_STOP) begin
                busy_reg  <= 1'b0;
                valid_reg <= rxd_reg;
                error_reg <= !rxd_reg;
            end else begin
                data_reg <= {rxd_reg, data_reg[7:1]};
            end
            armed_reg <= rxd_reg;
        end
        if (rst) begin
            rxd_meta_reg <= 1'b1;
            rxd_reg      <= 1'b1;
            armed_reg    <= 1'b0;
            busy_reg     <= 1'b0;
            valid_reg    <= 1'b0;
            error_reg    <= 1'b0;
        end
    end

endmodule

`resetall
