// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Walks the rows of a layer, which are output pixels: where the window of each begins.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: `start` goes to the first pixel of the first map; `step` to the next pixel, along x, then y, then to the
// next map; `mark` (with start or step) remembers the place that is gone to, `back` returns to it. One of start, step,
// back in a cycle, step and back only while `ready`. cfg_* are stable from the cycle of `start` on. addr, y, x (while
// ready): first pixel of the window, outside of the map where there is padding. With pooling a step goes to the next
// output row's first pixel: it passes over the others, a cycle each, not ready meanwhile.
// No multiplier: all products come ready. A fully connected layer has maps of one pixel, cfg_image_bytes apart.
module loas_row_walk (
    input  wire        clk,

    input  wire [15:0] cfg_out_h,       // at least 1
    input  wire [15:0] cfg_out_w,
    input  wire [7:0]  cfg_pool_h,      // divide cfg_out_h and cfg_out_w
    input  wire [7:0]  cfg_pool_w,
    input  wire [7:0]  cfg_stride_y,
    input  wire [7:0]  cfg_stride_x,
    input  wire [7:0]  cfg_pad_top,
    input  wire [7:0]  cfg_pad_left,
    input  wire [31:0] cfg_start,       // address of the first window, modulo 2^32
    input  wire [31:0] cfg_step_x,      // bytes from window to window along x
    input  wire [31:0] cfg_step_y,
    input  wire [31:0] cfg_image_bytes,

    input  wire        start,
    input  wire        step,
    input  wire        mark,
    input  wire        back,
    output wire        ready,
    output wire [31:0] addr,
    output wire [17:0] y,
    output wire [17:0] x
);

    localparam integer W = 3 * 32 + 2 * 16 + 2 * 18 + 2 * 8;

    reg [31:0]  addr_reg, line_reg, map_reg;   // window, first window of the line, of the map
    reg [15:0]  oy_reg, ox_reg;
    reg [17:0]  y_reg, x_reg;
    reg [7:0]   py_reg, px_reg;                // place in the pooling window
    reg [W-1:0] mark_reg;
    reg         mark_due_reg;                  // the place to remember is being walked to
    // of a map: cfg_* of the cycle before, so that no adder is in front of a comparison
    reg [15:0]  last_y_reg, last_x_reg;
    reg [7:0]   last_py_reg, last_px_reg;      // of a pooling window

    wire [17:0] first_y = -{10'd0, cfg_pad_top};
    wire [17:0] first_x = -{10'd0, cfg_pad_left};
    wire        line_end = ox_reg == last_x_reg;
    wire        map_end  = line_end && oy_reg == last_y_reg;
    wire [31:0] next_line = line_reg + cfg_step_y;
    wire [31:0] next_map  = map_reg + cfg_image_bytes;
    wire [7:0]  next_py   = py_reg == last_py_reg ? 8'd0 : py_reg + 8'd1;
    wire [7:0]  next_px   = px_reg == last_px_reg ? 8'd0 : px_reg + 8'd1;

    wire [W-1:0] here  = {addr_reg, line_reg, map_reg, oy_reg, ox_reg, y_reg, x_reg, py_reg, px_reg};
    wire [W-1:0] first = {cfg_start, cfg_start, cfg_start, 16'd0, 16'd0, first_y, first_x, 8'd0, 8'd0};
    wire [W-1:0] next  = map_end  ? {next_map, next_map, next_map, 16'd0, 16'd0, first_y, first_x, 8'd0, 8'd0}
                       : line_end
                           ? {next_line, next_line, map_reg, oy_reg + 16'd1, 16'd0, y_reg + {10'd0, cfg_stride_y},
                                     first_x, next_py, 8'd0}
                       : {addr_reg + cfg_step_x, line_reg, map_reg, oy_reg, ox_reg + 16'd1, y_reg,
                          x_reg + {10'd0, cfg_stride_x}, py_reg, next_px};
    wire [W-1:0] place = start ? first : back ? (mark_due_reg ? here : mark_reg) : next;

    assign ready = py_reg == 8'd0 && px_reg == 8'd0;
    assign addr  = addr_reg;
    assign y     = y_reg;
    assign x     = x_reg;

    always @(posedge clk) begin
        last_y_reg  <= cfg_out_h - 16'd1;
        last_x_reg  <= cfg_out_w - 16'd1;
        last_py_reg <= cfg_pool_h - 8'd1;
        last_px_reg <= cfg_pool_w - 8'd1;
        if (start || step || back || !ready) begin
            {addr_reg, line_reg, map_reg, oy_reg, ox_reg, y_reg, x_reg, py_reg, px_reg} <= place;
        end
        if (mark) mark_due_reg <= 1'b1;
        else if (ready) mark_due_reg <= 1'b0;
        if (mark_due_reg && ready) mark_reg <= here;
    end

endmodule

`resetall
