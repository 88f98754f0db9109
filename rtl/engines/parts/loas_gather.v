// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Puts chunks of a bitmask together to windows.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Contract: chunks come at s_*, column after column, cfg_chunks each. A window of WINDOW chunks leaves with its last
// chunk, in the same cycle; the last one of a column may have fewer, zeros in their place. m_last with the window that
// s_last ends. With WINDOW = 1 all is wires.
// Edges: an s_last in the middle of a column ends a window there, which is for the join to see.
module loas_gather #(
    parameter integer CHUNK_W  = 128,
    parameter integer WINDOW   = 1,
    parameter integer CHUNKS_W = 7
) (
    input  wire                      clk,
    input  wire                      rst,

    input  wire [CHUNKS_W-1:0]       cfg_chunks,

    input  wire                      s_valid,
    output wire                      s_ready,
    input  wire [CHUNK_W-1:0]        s_data,
    input  wire                      s_last,

    output wire                      m_valid,
    input  wire                      m_ready,
    output wire [WINDOW*CHUNK_W-1:0] m_data,
    output wire                      m_last
);

    localparam integer WIDE     = WINDOW * CHUNK_W;
    localparam integer WINDOW_B = $clog2(WINDOW);

    assign m_last = s_last;

    generate
        if (WINDOW == 1) begin : gen_wires
            assign m_valid = s_valid;
            assign s_ready = m_ready;
            assign m_data  = s_data;
            wire unused_ok = &{1'b0, clk, rst, cfg_chunks};
        end else begin : gen_gather
            reg  [WIDE-CHUNK_W-1:0] part_reg;     // chunks of the window so far, zeros in place of the others
            reg  [WINDOW_B-1:0]     fill_reg;
            reg  [CHUNKS_W-1:0]     chunk_reg;    // of the column
            wire                    col_end = chunk_reg + 1'b1 == cfg_chunks;
            wire                    full    = &fill_reg || col_end || s_last;
            assign m_valid = s_valid && full;
            assign s_ready = m_ready || !full;
            assign m_data  = {{CHUNK_W{1'b0}}, part_reg} | ({{(WIDE-CHUNK_W){1'b0}}, s_data} << (fill_reg * CHUNK_W));
            always @(posedge clk) begin
                if (s_valid && s_ready) begin
                    part_reg  <= full ? {(WIDE-CHUNK_W){1'b0}} : m_data[WIDE-CHUNK_W-1:0];
                    fill_reg  <= full ? {WINDOW_B{1'b0}} : fill_reg + 1'b1;
                    chunk_reg <= col_end ? {CHUNKS_W{1'b0}} : chunk_reg + 1'b1;
                end
                if (rst) begin
                    part_reg  <= {(WIDE-CHUNK_W){1'b0}};
                    fill_reg  <= {WINDOW_B{1'b0}};
                    chunk_reg <= {CHUNKS_W{1'b0}};
                end
            end
        end
    endgenerate

endmodule

`resetall
