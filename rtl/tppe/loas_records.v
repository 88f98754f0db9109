// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Reads the records and the membranes of a task's columns, and gives each column's sums theirs.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a column's sums leave the engine when they are done; the neuron also needs bias and threshold of the column,
// and where membranes are carried the membrane.
//
// Contract: params_* and state_* take a task's columns (loas_task), in order, each as soon as the one before has been
// read. s_* are sums, one column after the other, in the same order. m_valid comes when sums, record and, with
// cfg_carry_in, membrane are there; without cfg_carry_in the membrane is zero. `known`: record and membrane are there,
// so the sums alone are waited for.
// Lines: reader 0 is that of records, reader 1 that of membranes.
// Edges: bias or threshold of more than MEM_W bits raise err, as long as the record is at hand. Without CARRY
// cfg_carry_in must be 0.
module loas_records #(
    parameter integer MEM_W  = 24,
    parameter integer LINE_W = 1024,   // a line buffer for records, one for membranes
    parameter integer SUM_W  = 64,
    parameter integer CARRY  = 1       // 1: membranes are read
) (
    input  wire              clk,
    input  wire              rst,

    input  wire              cfg_carry_in,

    // tasks
    input  wire              params_valid,
    output wire              params_ready,
    input  wire              state_valid,
    output wire              state_ready,
    input  wire [31:0]       job_params,
    input  wire [31:0]       job_state,
    input  wire [10:0]       job_cols,

    // lines
    output wire [1:0]        rd_valid,
    input  wire [1:0]        rd_ready,
    output wire [63:0]       rd_addr,
    input  wire [1:0]        rsp_valid,
    input  wire [LINE_W-1:0] rsp_data,

    // sums
    input  wire              s_valid,
    output wire              s_ready,
    input  wire [SUM_W-1:0]  s_data,
    input  wire              s_last,

    output wire              m_valid,
    input  wire              m_ready,
    output wire [SUM_W-1:0]  m_data,
    output wire [MEM_W-1:0]  m_bias,
    output wire [MEM_W-1:0]  m_threshold,
    output wire [31:0]       m_state,
    output wire              m_last,

    output wire              known,
    output wire              err
);

    wire        record_valid, unused_record_last, unused_fetch;
    wire [63:0] record;
    wire [31:0] unused_fetch_addr;
    wire        membrane_valid;
    wire [31:0] membrane;
    wire        pass = m_valid && m_ready;

    loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(64), .LINES(1)) params_inst (
        .clk(clk), .rst(rst),
        .s_valid(params_valid), .s_ready(params_ready), .s_addr(job_params),
        .s_end(job_params + {18'd0, job_cols, 3'd0}),
        .req_valid(rd_valid[0]), .req_ready(rd_ready[0]), .req_addr(rd_addr[31:0]),
        .fetch_valid(unused_fetch), .fetch_ready(1'b0), .fetch_addr(unused_fetch_addr),
        .rsp_valid(rsp_valid[0]), .rsp_data(rsp_data),
        .m_valid(record_valid), .m_ready(pass), .m_data(record), .m_last(unused_record_last)
    );

    generate
        if (CARRY != 0) begin : gen_carry
            wire        reader_ready, unused_state_last, unused_state_fetch;
            wire [31:0] unused_state_fetch_addr;
            loas_stream_reader #(.LINE_W(LINE_W), .ITEM_W(32), .LINES(1)) state_inst (
                .clk(clk), .rst(rst),
                .s_valid(state_valid && cfg_carry_in), .s_ready(reader_ready), .s_addr(job_state),
                .s_end(job_state + {19'd0, job_cols, 2'd0}),
                .req_valid(rd_valid[1]), .req_ready(rd_ready[1]), .req_addr(rd_addr[63:32]),
                .fetch_valid(unused_state_fetch), .fetch_ready(1'b0), .fetch_addr(unused_state_fetch_addr),
                .rsp_valid(rsp_valid[1]), .rsp_data(rsp_data),
                .m_valid(membrane_valid), .m_ready(pass), .m_data(membrane), .m_last(unused_state_last)
            );
            assign state_ready = reader_ready || !cfg_carry_in;
        end else begin : gen_no_carry
            assign state_ready    = 1'b1;
            assign rd_valid[1]    = 1'b0;
            assign rd_addr[63:32] = 32'd0;
            assign membrane_valid = 1'b0;
            assign membrane       = 32'd0;
            wire unused_state = &{1'b0, state_valid, job_state, rd_ready[1], rsp_valid[1]};
        end

        if (MEM_W < 32) begin : gen_narrow
            wire [32-MEM_W:0] bias_top      = record[31:MEM_W-1];
            wire [32-MEM_W:0] threshold_top = record[63:32+MEM_W-1];
            assign err = record_valid && !((&bias_top || !(|bias_top)) && (&threshold_top || !(|threshold_top)));
        end else begin : gen_wide
            assign err = 1'b0;
        end
    endgenerate

    assign known       = record_valid && (membrane_valid || !cfg_carry_in);
    assign m_valid     = s_valid && known;
    assign s_ready     = m_ready && known;
    assign m_data      = s_data;
    assign m_bias      = record[MEM_W-1:0];
    assign m_threshold = record[32 +: MEM_W];
    assign m_state     = cfg_carry_in ? membrane : 32'd0;
    assign m_last      = s_last;

endmodule

`resetall
