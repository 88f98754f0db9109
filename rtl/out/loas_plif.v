// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// P-LIF: the leaky integrate-and-fire neuron unrolled over all T timesteps.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a neuron's membrane runs through its timesteps one after the other, but the sums of all T come at once. So
// the timesteps are stages of a pipeline: while a neuron is in timestep t, the next one is in t - 1.
//
//     X = O[t] + bias + U;   spike[t] = X >= threshold
//     hard reset: U = spike ? 0 : (leak * X) >>> 8        soft reset: U = (leak * (X - spike * threshold)) >>> 8
//     late and soft:                                                  U = (leak * X) >>> 8 - spike * threshold
//     late alone:  no reset: U = (leak * X) >>> 8
//     readout: value = s_state + sum of all O[t] + steps * bias, modulo 2^32 (word is meaningless in readout)
//
// The first U is s_state (zero unless a chunk of timesteps goes on where another ended). m_state is the last U, or a
// readout's value; with CARRY = 0 it is zero when not readout. From timestep cfg_steps on there are no spikes and no
// bias is counted; m_state then means nothing but in a readout.
//
// Each timestep takes two stages: sum and compare, then the leak's multiplication; the last one needs no second stage
// without CARRY. Latency 2 T - 1 + CARRY cycles, a neuron a cycle. All stages stop together while the last holds a
// result that is not taken, so s_ready = !m_valid || m_ready, and bubbles are not squeezed out. cfg_* must not change
// while a neuron is inside.
//
// Widths: the packer guarantees -2^(MEM_W-1) <= X, X - spike * threshold < 2^(MEM_W-1) for all t. Sums on the way to X
// may wrap: modulo 2^MEM_W they come out right. With D = X or X - threshold and 0 <= leak <= 256, leak * D fits MEM_W +
// 8 bits (|leak * D| <= 2^8 * 2^(MEM_W-1)), and U = floor(leak * D / 256) lies between D and 0 (D itself at 256), so U
// fits too. A late threshold is subtracted from O + bias of the next timestep instead of from U.
module loas_plif #(
    parameter integer T     = 4,    // timesteps: 2 T - 1 + CARRY pipeline stages, T - 1 + CARRY multipliers
    parameter integer ACC_W = 16,   // a sum O[t]
    parameter integer MEM_W = 24,   // membrane, bias, threshold; at least ACC_W + 1, at most 32
    parameter integer TAG_W = 16,   // travels along
    parameter integer CARRY = 1     // 1: membranes leave at m_state
) (
    input  wire               clk,
    input  wire               rst,

    input  wire [8:0]         cfg_leak,     // 0 to 256, in 1/256
    input  wire               cfg_soft,
    input  wire               cfg_late,     // with cfg_soft: subtract after the leak; alone: no reset
    input  wire [4:0]         cfg_steps,    // 1 to T
    input  wire               cfg_readout,

    // neurons: O[t] at s_sum[t*ACC_W +: ACC_W], two's complement
    input  wire               s_valid,
    output wire               s_ready,
    input  wire [T*ACC_W-1:0] s_sum,
    input  wire [MEM_W-1:0]   s_bias,
    input  wire [MEM_W-1:0]   s_threshold,
    input  wire [31:0]        s_state,      // MEM_W bits of membrane, or a readout's value so far
    input  wire [TAG_W-1:0]   s_tag,

    // results, in the same order
    output wire               m_valid,
    input  wire               m_ready,
    output wire [T-1:0]       m_word,       // bit t: spike at timestep t
    output wire [31:0]        m_state,
    output wire [TAG_W-1:0]   m_tag
);

    wire go = !m_valid || m_ready;

    assign s_ready = go;

    genvar t;
    generate
        if (T < 1 || ACC_W < 2 || MEM_W <= ACC_W || MEM_W > 32 || TAG_W < 1) begin : gen_illegal
            loas_plif_MEM_W_must_be_ACC_W_plus_1_to_32 rule_inst ();
        end

        if (T == 1 && CARRY == 0) begin : gen_no_leak
            wire unused_leak = &{1'b0, cfg_leak, cfg_soft, cfg_late};
        end

        for (t = 0; t < T; t = t + 1) begin : gen_step
            // what the timestep works on: the input or the multiplication stage of the timestep before
            wire                    in_valid;
            wire [(T-t)*ACC_W-1:0]  in_sum;        // O[t] is lowest
            wire [MEM_W-1:0]        in_bias;
            wire [MEM_W-1:0]        in_threshold;
            wire [TAG_W-1:0]        in_tag;
            wire [MEM_W-1:0]        in_u;
            wire                    in_late;       // the threshold is still to be subtracted
            wire [31:0]             in_value;

            localparam [4:0] STEP = t;

            wire [MEM_W-1:0] o     = {{(MEM_W-ACC_W){in_sum[ACC_W-1]}}, in_sum[ACC_W-1:0]};
            wire [MEM_W-1:0] inc   = o + in_bias - (in_late ? in_threshold : {MEM_W{1'b0}});
            wire [MEM_W-1:0] x     = inc + in_u;
            wire             runs  = STEP < cfg_steps;
            wire             spike = runs && $signed(x) >= $signed(in_threshold);

            // both terms are extended first: O[t] + bias alone may leave MEM_W
            wire [31:0] o32    = {{(32-ACC_W){in_sum[ACC_W-1]}}, in_sum[ACC_W-1:0]};
            wire [31:0] bias32 = {{(32-MEM_W){in_bias[MEM_W-1]}}, in_bias};

            reg             cmp_valid_reg;
            reg [t:0]       cmp_word_reg;
            reg [TAG_W-1:0] cmp_tag_reg;
            reg [31:0]      cmp_value_reg;

            if (t == 0) begin : gen_in
                assign in_valid     = s_valid;
                assign in_sum       = s_sum;
                assign in_bias      = s_bias;
                assign in_threshold = s_threshold;
                assign in_tag       = s_tag;
                assign in_u         = s_state[MEM_W-1:0];
                assign in_late      = 1'b0;
                assign in_value     = s_state;

                always @(posedge clk) if (go && in_valid) cmp_word_reg <= spike;
            end else begin : gen_in
                assign in_valid     = gen_step[t-1].gen_leak.valid_reg;
                assign in_sum       = gen_step[t-1].gen_leak.sum_reg;
                assign in_bias      = gen_step[t-1].gen_leak.bias_reg;
                assign in_threshold = gen_step[t-1].gen_leak.threshold_reg;
                assign in_tag       = gen_step[t-1].gen_leak.tag_reg;
                assign in_u         = gen_step[t-1].gen_leak.u_reg;
                assign in_late      = gen_step[t-1].gen_leak.late_reg;
                assign in_value     = gen_step[t-1].gen_leak.value_reg;

                always @(posedge clk) if (go && in_valid) cmp_word_reg <= {spike, gen_step[t-1].gen_leak.word_reg};
            end

            always @(posedge clk) begin
                if (go) cmp_valid_reg <= in_valid;
                if (go && in_valid) begin
                    cmp_tag_reg   <= in_tag;
                    cmp_value_reg <= !cfg_readout ? 32'd0 : in_value + o32 + (runs ? bias32 : 32'd0);
                end
                if (rst) cmp_valid_reg <= 1'b0;
            end

            if (t < T - 1 || CARRY != 0) begin : gen_leak
                // sums of the timesteps behind; none: one bit
                localparam integer LEFT_W = t < T - 1 ? (T - t - 1) * ACC_W : 1;

                reg [MEM_W-1:0]  cmp_d_reg;          // X after the reset
                reg [LEFT_W-1:0] cmp_sum_reg;
                reg [MEM_W-1:0]  cmp_bias_reg;
                reg [MEM_W-1:0]  cmp_threshold_reg;

                if (t < T - 1) begin : gen_left
                    always @(posedge clk) if (go && in_valid) cmp_sum_reg <= in_sum[(T-t)*ACC_W-1:ACC_W];
                end else begin : gen_left
                    always @(posedge clk) cmp_sum_reg <= 1'b0;
                end

                always @(posedge clk) begin
                    if (go && in_valid) begin
                        cmp_d_reg         <= !spike || cfg_late ? x : cfg_soft ? x - in_threshold : {MEM_W{1'b0}};
                        cmp_bias_reg      <= in_bias;
                        cmp_threshold_reg <= in_threshold;
                    end
                end

                wire signed [MEM_W+7:0] d_wide    = {{8{cmp_d_reg[MEM_W-1]}}, cmp_d_reg};
                wire signed [MEM_W+7:0] leak_wide = {{(MEM_W-1){1'b0}}, cfg_leak};
                wire signed [MEM_W+7:0] product   = d_wide * leak_wide;
                wire                    unused_fraction = &{1'b0, product[7:0]};

                reg              valid_reg;
                reg [t:0]        word_reg;
                reg [TAG_W-1:0]  tag_reg;
                reg [31:0]       value_reg;
                reg [MEM_W-1:0]  u_reg;
                reg              late_reg;
                reg [LEFT_W-1:0] sum_reg;
                reg [MEM_W-1:0]  bias_reg;
                reg [MEM_W-1:0]  threshold_reg;

                always @(posedge clk) begin
                    if (go) valid_reg <= cmp_valid_reg;
                    if (go && cmp_valid_reg) begin
                        word_reg      <= cmp_word_reg;
                        tag_reg       <= cmp_tag_reg;
                        value_reg     <= cmp_value_reg;
                        u_reg         <= product[MEM_W+7:8];   // arithmetic shift: floor
                        late_reg      <= cfg_late && cfg_soft && cmp_word_reg[t];
                        sum_reg       <= cmp_sum_reg;
                        bias_reg      <= cmp_bias_reg;
                        threshold_reg <= cmp_threshold_reg;
                    end
                    if (rst) valid_reg <= 1'b0;
                end
            end
        end

        if (CARRY != 0) begin : gen_carry
            wire [MEM_W-1:0] u = gen_step[T-1].gen_leak.u_reg
                               - (gen_step[T-1].gen_leak.late_reg
                                   ? gen_step[T-1].gen_leak.threshold_reg : {MEM_W{1'b0}});
            assign m_valid = gen_step[T-1].gen_leak.valid_reg;
            assign m_word  = gen_step[T-1].gen_leak.word_reg;
            assign m_tag   = gen_step[T-1].gen_leak.tag_reg;
            if (MEM_W < 32) begin : gen_extend
                assign m_state = cfg_readout ? gen_step[T-1].gen_leak.value_reg : {{(32-MEM_W){u[MEM_W-1]}}, u};
            end else begin : gen_whole
                assign m_state = cfg_readout ? gen_step[T-1].gen_leak.value_reg : u;
            end
            wire unused_last = &{1'b0, gen_step[T-1].gen_leak.sum_reg, gen_step[T-1].gen_leak.bias_reg};
        end else begin : gen_no_carry
            assign m_valid = gen_step[T-1].cmp_valid_reg;
            assign m_word  = gen_step[T-1].cmp_word_reg;
            assign m_state = gen_step[T-1].cmp_value_reg;
            assign m_tag   = gen_step[T-1].cmp_tag_reg;
        end
    endgenerate

endmodule

`resetall
