// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Around the P-LIF in proofs: a layer's settings are legal and constant from rst to rst, and a membrane that means
// nothing is zero.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// With the sizes of `small` in verif/mutants.toml.
module harness (
    input  wire        clk,
    input  wire        rst,
    input  wire [8:0]  leak,
    input  wire        soft,
    input  wire        late,
    input  wire [1:0]  steps,
    input  wire        readout,
    input  wire        s_valid,
    output wire        s_ready,
    input  wire [31:0] s_sum,
    input  wire [11:0] s_bias,
    input  wire [11:0] s_threshold,
    input  wire [31:0] s_state,
    input  wire [4:0]  s_tag,
    output wire        m_valid,
    input  wire        m_ready,
    output wire [3:0]  m_word,
    output wire [31:0] m_state,
    output wire [4:0]  m_tag
);

    reg [8:0] leak_reg;
    reg       soft_reg, late_reg, readout_reg;
    reg [2:0] steps_reg;      // 0 after power-on: nothing goes in before the first rst
    reg       begun_reg;

    wire [3:0]  word;
    wire [31:0] state;
    wire [4:0]  tag;
    wire        ready;
    wire        means = readout_reg || steps_reg == 3'd4;

    assign s_ready = ready && begun_reg;
    assign m_word  = m_valid && !readout_reg ? word : 4'd0;
    assign m_state = m_valid && means ? state : 32'd0;
    assign m_tag   = m_valid ? tag : 5'd0;

    always @(posedge clk) begin
        if (rst) begin
            begun_reg   <= 1'b1;
            leak_reg    <= leak > 9'd256 ? 9'd256 : leak;
            soft_reg    <= soft;
            late_reg    <= late && soft;
            readout_reg <= readout;
            steps_reg   <= {1'b0, steps} + 3'd1;
        end
    end

    loas_plif dut (
        .clk(clk), .rst(rst), .cfg_leak(leak_reg), .cfg_soft(soft_reg), .cfg_late(late_reg),
        .cfg_steps({2'd0, steps_reg}),
        .cfg_readout(readout_reg), .s_valid(s_valid && begun_reg), .s_ready(ready), .s_sum(s_sum), .s_bias(s_bias),
        .s_threshold(s_threshold), .s_state(s_state), .s_tag(s_tag), .m_valid(m_valid), .m_ready(m_ready),
        .m_word(word),
        .m_state(state), .m_tag(tag)
    );

endmodule

`resetall
