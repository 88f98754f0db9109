// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Test top: row walks of a map and of a branch's, and a window walk behind them, as in scheduler and TPPE.
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
    input  wire [9:0]  cfg_slices,
    input  wire [15:0] cfg_out_h,
    input  wire [15:0] cfg_out_w,
    input  wire [7:0]  cfg_pool_h,
    input  wire [7:0]  cfg_pool_w,
    input  wire [7:0]  cfg_stride_y,
    input  wire [7:0]  cfg_stride_x,
    input  wire [7:0]  cfg_pad_top,
    input  wire [7:0]  cfg_pad_left,
    input  wire [31:0] cfg_start,
    input  wire [31:0] cfg_step_x,
    input  wire [31:0] cfg_step_y,
    input  wire [31:0] cfg_image_bytes,
    // the branch: as many output pixels, no pooling
    input  wire        cfg_branch,
    input  wire [7:0]  cfg2_kh,
    input  wire [7:0]  cfg2_kw,
    input  wire [15:0] cfg2_in_h,
    input  wire [15:0] cfg2_in_w,
    input  wire [31:0] cfg2_a_stride,
    input  wire [31:0] cfg2_row_bytes,
    input  wire [9:0]  cfg2_slices,
    input  wire [7:0]  cfg2_stride_y,
    input  wire [7:0]  cfg2_stride_x,
    input  wire [7:0]  cfg2_pad_top,
    input  wire [7:0]  cfg2_pad_left,
    input  wire [31:0] cfg2_start,
    input  wire [31:0] cfg2_step_x,
    input  wire [31:0] cfg2_step_y,
    input  wire [31:0] cfg2_image_bytes,
    input  wire        start,
    input  wire        step,
    input  wire        mark,
    input  wire        back,
    output wire        ready,
    output wire        ready2,
    output wire [31:0] addr,
    output wire [17:0] y,
    output wire [17:0] x,
    input  wire        s_valid,
    output wire        s_ready,
    output wire        m_valid,
    input  wire        m_ready,
    output wire [31:0] m_addr,
    output wire        m_inside,
    output wire [9:0]  m_slices,
    output wire        m_last
);

    wire [31:0] addr2;
    wire [17:0] y2, x2;

    loas_row_walk walk_inst (
        .clk(clk),
        .cfg_out_h(cfg_out_h), .cfg_out_w(cfg_out_w), .cfg_pool_h(cfg_pool_h), .cfg_pool_w(cfg_pool_w),
        .cfg_stride_y(cfg_stride_y), .cfg_stride_x(cfg_stride_x),
        .cfg_pad_top(cfg_pad_top), .cfg_pad_left(cfg_pad_left), .cfg_start(cfg_start), .cfg_step_x(cfg_step_x),
        .cfg_step_y(cfg_step_y), .cfg_image_bytes(cfg_image_bytes),
        .start(start), .step(step), .mark(mark), .back(back), .ready(ready), .addr(addr), .y(y), .x(x)
    );

    loas_row_walk branch_inst (
        .clk(clk),
        .cfg_out_h(cfg_out_h), .cfg_out_w(cfg_out_w), .cfg_pool_h(8'd1), .cfg_pool_w(8'd1),
        .cfg_stride_y(cfg2_stride_y), .cfg_stride_x(cfg2_stride_x),
        .cfg_pad_top(cfg2_pad_top), .cfg_pad_left(cfg2_pad_left), .cfg_start(cfg2_start), .cfg_step_x(cfg2_step_x),
        .cfg_step_y(cfg2_step_y), .cfg_image_bytes(cfg2_image_bytes),
        .start(start), .step(step), .mark(mark), .back(back), .ready(ready2), .addr(addr2), .y(y2), .x(x2)
    );

    loas_window #(.SLICES_W(10)) window_inst (
        .clk(clk), .rst(rst),
        .cfg_kh(cfg_kh), .cfg_kw(cfg_kw), .cfg_in_h(cfg_in_h), .cfg_in_w(cfg_in_w),
        .cfg_a_stride(cfg_a_stride), .cfg_row_bytes(cfg_row_bytes), .cfg_slices(cfg_slices),
        .cfg_branch(cfg_branch), .cfg2_kh(cfg2_kh), .cfg2_kw(cfg2_kw), .cfg2_in_h(cfg2_in_h), .cfg2_in_w(cfg2_in_w),
        .cfg2_a_stride(cfg2_a_stride), .cfg2_row_bytes(cfg2_row_bytes), .cfg2_slices(cfg2_slices),
        .s_valid(s_valid), .s_ready(s_ready), .s_addr(addr), .s_y(y), .s_x(x), .s_addr2(addr2), .s_y2(y2), .s_x2(x2),
        .m_valid(m_valid), .m_ready(m_ready), .m_addr(m_addr), .m_inside(m_inside), .m_slices(m_slices), .m_last(m_last)
    );

endmodule

`resetall
