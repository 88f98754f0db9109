// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Test top: a row walk and a window walk, one behind the other, as in scheduler and TPPE.
`resetall
`timescale 1ns / 1ps
`default_nettype none

module tb_window (
    input  wire        clk,
    input  wire        rst,
    input  wire [7:0]  cfg_kh,
    input  wire [7:0]  cfg_kw,
    input  wire [15:0] cfg_in_h,
    input  wire [15:0] cfg_in_w,
    input  wire [31:0] cfg_a_stride,
    input  wire [31:0] cfg_row_bytes,
    input  wire [15:0] cfg_out_h,
    input  wire [15:0] cfg_out_w,
    input  wire [7:0]  cfg_stride_y,
    input  wire [7:0]  cfg_stride_x,
    input  wire [7:0]  cfg_pad_top,
    input  wire [7:0]  cfg_pad_left,
    input  wire [31:0] cfg_start,
    input  wire [31:0] cfg_step_x,
    input  wire [31:0] cfg_step_y,
    input  wire [31:0] cfg_image_bytes,
    input  wire        start,
    input  wire        step,
    input  wire        mark,
    input  wire        back,
    input  wire        s_valid,
    output wire        s_ready,
    output wire        m_valid,
    input  wire        m_ready,
    output wire [31:0] m_addr,
    output wire        m_inside,
    output wire        m_last
);

    wire [31:0] addr;
    wire [17:0] y, x;

    loas_row_walk walk_inst (
        .clk(clk),
        .cfg_out_h(cfg_out_h), .cfg_out_w(cfg_out_w), .cfg_stride_y(cfg_stride_y), .cfg_stride_x(cfg_stride_x),
        .cfg_pad_top(cfg_pad_top), .cfg_pad_left(cfg_pad_left), .cfg_start(cfg_start), .cfg_step_x(cfg_step_x),
        .cfg_step_y(cfg_step_y), .cfg_image_bytes(cfg_image_bytes),
        .start(start), .step(step), .mark(mark), .back(back), .addr(addr), .y(y), .x(x)
    );

    loas_window window_inst (
        .clk(clk), .rst(rst),
        .cfg_kh(cfg_kh), .cfg_kw(cfg_kw), .cfg_in_h(cfg_in_h), .cfg_in_w(cfg_in_w),
        .cfg_a_stride(cfg_a_stride), .cfg_row_bytes(cfg_row_bytes),
        .s_valid(s_valid), .s_ready(s_ready), .s_addr(addr), .s_y(y), .s_x(x),
        .m_valid(m_valid), .m_ready(m_ready), .m_addr(m_addr), .m_inside(m_inside), .m_last(m_last)
    );

endmodule

`resetall
