// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Walks the pixels of a convolution's window: their addresses, and which of them are outside of the map.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a window given at s_*, by the address and the coordinates of its first pixel (which may be outside of the map), gives
// cfg_kh rows of cfg_kw pixels at m_*, one a cycle, m_last with the last. A pixel outside has an address without meaning.
// A fully connected row is a window of one pixel in a map of one.
module loas_window (
    input  wire        clk,
    input  wire        rst,

    input  wire [7:0]  cfg_kh,          // at least 1
    input  wire [7:0]  cfg_kw,
    input  wire [15:0] cfg_in_h,
    input  wire [15:0] cfg_in_w,
    input  wire [31:0] cfg_a_stride,    // bytes from pixel to pixel
    input  wire [31:0] cfg_row_bytes,   // from row to row of the map

    input  wire        s_valid,
    output wire        s_ready,
    input  wire [31:0] s_addr,
    input  wire [17:0] s_y,             // two's complement
    input  wire [17:0] s_x,

    output wire        m_valid,
    input  wire        m_ready,
    output wire [31:0] m_addr,
    output wire        m_inside,
    output wire        m_last
);

    reg        valid_reg;
    reg [7:0]  ky_reg, kx_reg;          // rows and columns left behind this one
    reg [17:0] y_reg, x_reg, first_x_reg;
    reg [31:0] addr_reg, row_addr_reg;

    wire [31:0] next_row = row_addr_reg + cfg_row_bytes;
    wire        row_end  = kx_reg == 8'd0;

    assign s_ready  = !valid_reg;
    assign m_valid  = valid_reg;
    assign m_addr   = addr_reg;
    assign m_inside = !y_reg[17] && y_reg[16:0] < {1'b0, cfg_in_h} && !x_reg[17] && x_reg[16:0] < {1'b0, cfg_in_w};
    assign m_last   = row_end && ky_reg == 8'd0;

    always @(posedge clk) begin
        if (s_valid && s_ready) begin
            valid_reg    <= 1'b1;
            ky_reg       <= cfg_kh - 8'd1;
            kx_reg       <= cfg_kw - 8'd1;
            y_reg        <= s_y;
            x_reg        <= s_x;
            first_x_reg  <= s_x;
            addr_reg     <= s_addr;
            row_addr_reg <= s_addr;
        end else if (valid_reg && m_ready) begin
            if (row_end) begin
                kx_reg       <= cfg_kw - 8'd1;
                ky_reg       <= ky_reg - 8'd1;
                x_reg        <= first_x_reg;
                y_reg        <= y_reg + 18'd1;
                addr_reg     <= next_row;
                row_addr_reg <= next_row;
            end else begin
                kx_reg   <= kx_reg - 8'd1;
                x_reg    <= x_reg + 18'd1;
                addr_reg <= addr_reg + cfg_a_stride;
            end
            valid_reg <= !m_last;
        end
        if (rst) valid_reg <= 1'b0;
    end

endmodule

`resetall
