// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Transmitter of a serial line: 8 data bits, no parity, 1 stop bit.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a byte is taken when s_valid and s_ready; its start bit begins two cycles later, and s_ready comes back
// with the end of its stop bit. The line is high when nothing is sent, also from reset on. Bit times as in
// loas_uart_rx: every edge is at most a cycle late, which does not add up within a byte.
module loas_uart_tx #(
    parameter integer CLK_HZ = 50000000,  // clock
    parameter integer BAUD   = 3000000    // bits a second, at most CLK_HZ / 4
) (
    input  wire       clk,
    input  wire       rst,

    input  wire       s_valid,
    output wire       s_ready,
    input  wire [7:0] s_data,

    output wire       txd
);

    localparam integer PHASE_W = 20;
    localparam [63:0] STEP_WIDE = (({32'd0, BAUD[31:0]} << PHASE_W) + {33'd0, CLK_HZ[31:1]}) / {32'd0, CLK_HZ[31:0]};
    localparam [PHASE_W-1:0] STEP = STEP_WIDE[PHASE_W-1:0];

    generate
        if (BAUD < 1 || CLK_HZ / 4 < BAUD) begin : gen_illegal
            loas_uart_tx_BAUD_must_be_1_to_CLK_HZ_divided_by_4 rule_inst ();
        end
    endgenerate

    localparam [3:0] BITS = 4'd10;  // start, data, stop

    reg [3:0]         left_reg;   // bits not yet over
    reg [9:0]         shift_reg;  // the lowest bit is on the line
    reg [PHASE_W-1:0] phase_reg;
    reg               txd_reg;

    wire [PHASE_W:0] phase_sum = {1'b0, phase_reg} + {1'b0, STEP};

    assign s_ready = left_reg == 4'd0;
    assign txd     = txd_reg;

    always @(posedge clk) begin
        txd_reg <= s_ready | shift_reg[0];
        if (s_ready) begin
            phase_reg <= {PHASE_W{1'b0}};
            if (s_valid) begin
                left_reg  <= BITS;
                shift_reg <= {1'b1, s_data, 1'b0};
            end
        end else begin
            phase_reg <= phase_sum[PHASE_W-1:0];
            if (phase_sum[PHASE_W]) begin
                left_reg  <= left_reg - 4'd1;
                shift_reg <= {1'b1, shift_reg[9:1]};
            end
        end
        if (rst) begin
            left_reg <= 4'd0;
            txd_reg  <= 1'b1;
        end
    end

endmodule

`resetall
