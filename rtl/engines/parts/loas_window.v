// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Walks the pixels of a convolution's window: their addresses, and which of them are outside of the map.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: a window given at s_*, by the address and the coordinates of its first pixel (which may be outside of the
// map), gives cfg_kh rows of cfg_kw pixels at m_*, one a cycle, m_last with the last. A pixel outside has an address
// without meaning. With cfg_branch a second window follows, of another map: given with the first one at s_addr2, s_y2,
// s_x2, its shape at cfg2_*. m_slices is the number of mask slices of the pixel. A fully connected row is a window of
// one pixel in a map of one.
module loas_window #(
    parameter integer SLICES_W = 10
) (
    input  wire        clk,
    input  wire        rst,

    input  wire [7:0]  cfg_kh,          // at least 1
    input  wire [7:0]  cfg_kw,
    input  wire [15:0] cfg_in_h,
    input  wire [15:0] cfg_in_w,
    input  wire [31:0] cfg_a_stride,    // bytes from pixel to pixel
    input  wire [31:0] cfg_row_bytes,   // from row to row of the map
    input  wire [SLICES_W-1:0] cfg_slices,   // of a pixel
    input  wire        cfg_branch,
    input  wire [7:0]  cfg2_kh,
    input  wire [7:0]  cfg2_kw,
    input  wire [15:0] cfg2_in_h,
    input  wire [15:0] cfg2_in_w,
    input  wire [31:0] cfg2_a_stride,
    input  wire [31:0] cfg2_row_bytes,
    input  wire [SLICES_W-1:0] cfg2_slices,

    input  wire        s_valid,
    output wire        s_ready,
    input  wire [31:0] s_addr,
    input  wire [17:0] s_y,             // two's complement
    input  wire [17:0] s_x,
    input  wire [31:0] s_addr2,
    input  wire [17:0] s_y2,
    input  wire [17:0] s_x2,

    output wire        m_valid,
    input  wire        m_ready,
    output wire [31:0] m_addr,
    output wire        m_inside,
    output wire [SLICES_W-1:0] m_slices,
    output wire        m_last
);

    reg        valid_reg;
    reg        second_reg;              // in the second window
    reg [7:0]  ky_reg, kx_reg;          // rows and columns left behind this one
    reg [17:0] y_reg, x_reg, first_x_reg;
    reg [31:0] addr_reg, row_addr_reg;
    reg [31:0] addr2_reg;               // the second window, until it is walked
    reg [17:0] y2_reg, x2_reg;

    wire [31:0] next_row   = row_addr_reg + (second_reg ? cfg2_row_bytes : cfg_row_bytes);
    wire [15:0] in_h       = second_reg ? cfg2_in_h : cfg_in_h;
    wire [15:0] in_w       = second_reg ? cfg2_in_w : cfg_in_w;
    wire [7:0]  kw         = second_reg ? cfg2_kw : cfg_kw;
    wire        row_end    = kx_reg == 8'd0;
    wire        window_end = row_end && ky_reg == 8'd0;

    assign s_ready  = !valid_reg;
    assign m_valid  = valid_reg;
    assign m_addr   = addr_reg;
    assign m_inside = !y_reg[17] && y_reg[16:0] < {1'b0, in_h} && !x_reg[17] && x_reg[16:0] < {1'b0, in_w};
    assign m_slices = second_reg ? cfg2_slices : cfg_slices;
    assign m_last   = window_end && (second_reg || !cfg_branch);

    always @(posedge clk) begin
        if (s_valid && s_ready) begin
            valid_reg    <= 1'b1;
            second_reg   <= 1'b0;
            ky_reg       <= cfg_kh - 8'd1;
            kx_reg       <= cfg_kw - 8'd1;
            y_reg        <= s_y;
            x_reg        <= s_x;
            first_x_reg  <= s_x;
            addr_reg     <= s_addr;
            row_addr_reg <= s_addr;
            addr2_reg    <= s_addr2;
            y2_reg       <= s_y2;
            x2_reg       <= s_x2;
        end else if (valid_reg && m_ready) begin
            if (window_end) begin
                second_reg   <= 1'b1;
                ky_reg       <= cfg2_kh - 8'd1;
                kx_reg       <= cfg2_kw - 8'd1;
                y_reg        <= y2_reg;
                x_reg        <= x2_reg;
                first_x_reg  <= x2_reg;
                addr_reg     <= addr2_reg;
                row_addr_reg <= addr2_reg;
            end else if (row_end) begin
                kx_reg       <= kw - 8'd1;
                ky_reg       <= ky_reg - 8'd1;
                x_reg        <= first_x_reg;
                y_reg        <= y_reg + 18'd1;
                addr_reg     <= next_row;
                row_addr_reg <= next_row;
            end else begin
                kx_reg   <= kx_reg - 8'd1;
                x_reg    <= x_reg + 18'd1;
                addr_reg <= addr_reg + (second_reg ? cfg2_a_stride : cfg_a_stride);
            end
            valid_reg <= !m_last;
        end
        if (rst) valid_reg <= 1'b0;
    end

endmodule

`resetall
