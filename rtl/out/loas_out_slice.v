// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Gathers the output neurons of a task into entries of the output buffer.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a TPPE finishes one neuron at a time, the output buffer stores SLICE_W of them in an entry.
// Contract: neuron i of an entry is at ent_data[i*T +: T]. An entry leaves when it is full or with the task's last
// neuron, zeros in the places behind it. In readout every neuron's 32-bit value is an entry of its own. Entries of a
// task have addresses s_out_addr, s_out_addr + 1, ...; s_slot and s_out_addr are constant over a task.
// Max pooling: several tasks with the same columns make one. Those before the one with s_pool_last leave no entry;
// their words, and its own, are ORed column by column, beginning anew with s_pool_first. At most POOL_COLS columns
// then. A task alone has both. With cfg_drop_once a word with a single spike becomes zero. ent_count = words in the
// entry that are not zero (0 in readout). A neuron a cycle; an entry is there the cycle after its last neuron, and one
// may wait while the next is gathered: s_ready falls only when a second one would be complete. Between tasks nothing is
// lost; rst forgets a begun entry.
module loas_out_slice #(
    parameter integer T           = 4,
    parameter integer SLICE_W     = 16,    // neurons of an entry: 2 * SLICE_W * T flip-flops
    parameter integer OUT_ENTRIES = 2048,
    parameter integer NUM_SLOTS   = 64,
    parameter integer POOL_COLS   = 64     // words kept for pooling, a power of two
) (
    input  wire                           clk,
    input  wire                           rst,

    input  wire                           cfg_readout,
    input  wire                           cfg_drop_once,

    // neurons from the P-LIF
    input  wire                           s_valid,
    output wire                           s_ready,
    input  wire [T-1:0]                   s_word,
    input  wire [31:0]                    s_value,
    input  wire                           s_last,       // last neuron of the task
    input  wire                           s_pool_first,
    input  wire                           s_pool_last,
    input  wire [$clog2(NUM_SLOTS)-1:0]   s_slot,
    input  wire [$clog2(OUT_ENTRIES)-1:0] s_out_addr,

    // entries to the output buffer
    output wire                           ent_valid,
    input  wire                           ent_ready,
    output wire [$clog2(NUM_SLOTS)-1:0]   ent_slot,
    output wire [$clog2(OUT_ENTRIES)-1:0] ent_addr,
    output wire [(SLICE_W*T > 32 ? SLICE_W*T : 32)-1:0] ent_data,
    output wire [$clog2(SLICE_W+1)-1:0]   ent_count
);

    localparam integer ENTRY_W    = SLICE_W * T > 32 ? SLICE_W * T : 32;
    localparam integer SLOT_W     = $clog2(NUM_SLOTS);
    localparam integer OUT_ADDR_W = $clog2(OUT_ENTRIES);
    localparam integer COUNT_W    = $clog2(SLICE_W + 1);
    localparam integer POS_W      = $clog2(SLICE_W);

    generate
        if (POOL_COLS < 2 || POOL_COLS != (1 << $clog2(POOL_COLS))) begin : gen_illegal_pool
            loas_out_slice_POOL_COLS_must_be_a_power_of_two_from_2 rule_inst ();
        end
        if (SLICE_W < 2 || SLICE_W != (1 << POS_W) || NUM_SLOTS < 2 || OUT_ENTRIES < 2) begin : gen_illegal
            loas_out_slice_SLICE_W_must_be_a_power_of_two_from_2 rule_inst ();
        end
    endgenerate

    // the entry being gathered; all zero at its start
    reg [SLICE_W*T-1:0]  data_reg;
    reg [POS_W-1:0]      pos_reg;
    reg [COUNT_W-1:0]    count_reg;
    reg                  first_reg;    // it is the first of its task
    reg [OUT_ADDR_W-1:0] addr_reg;     // its address, if not

    // the entry that leaves
    reg                  ent_valid_reg;
    reg [SLOT_W-1:0]     ent_slot_reg;
    reg [OUT_ADDR_W-1:0] ent_addr_reg;
    reg [ENTRY_W-1:0]    ent_data_reg;
    reg [COUNT_W-1:0]    ent_count_reg;

    // the words of the tasks before, where tasks are pooled
    localparam integer COL_W = $clog2(POOL_COLS);
    reg [T-1:0]           pool_mem [0:POOL_COLS-1];
    reg [COL_W-1:0]       col_reg;

    wire                  take     = s_valid && s_ready;
    wire [T-1:0]          pooled   = s_pool_first ? s_word : s_word | pool_mem[col_reg];
    wire                  once     = (pooled & (pooled - 1'b1)) == {T{1'b0}};   // one spike, or none
    wire [T-1:0]          word     = cfg_drop_once && once ? {T{1'b0}} : pooled;
    wire                  part     = cfg_readout || s_last || pos_reg == {POS_W{1'b1}};
    wire                  complete = part && s_pool_last;

    always @(posedge clk) begin
        if (take && !s_pool_last) pool_mem[col_reg] <= pooled;
        if (take) col_reg <= s_last ? {COL_W{1'b0}} : col_reg + 1'b1;
        if (rst) col_reg <= {COL_W{1'b0}};
    end

    wire [COUNT_W-1:0]    count    = count_reg + {{(COUNT_W-1){1'b0}}, |word};
    wire [OUT_ADDR_W-1:0] addr     = first_reg ? s_out_addr : addr_reg;

    reg [SLICE_W*T-1:0] data;
    always @* begin
        data = data_reg;
        data[pos_reg*T +: T] = word;
    end

    reg [ENTRY_W-1:0] entry;
    always @* begin
        entry = {ENTRY_W{1'b0}};
        if (cfg_readout) entry[31:0] = s_value;
        else entry[SLICE_W*T-1:0] = data;
    end

    assign s_ready   = !complete || !ent_valid_reg || ent_ready;
    assign ent_valid = ent_valid_reg;
    assign ent_slot  = ent_slot_reg;
    assign ent_addr  = ent_addr_reg;
    assign ent_data  = ent_data_reg;
    assign ent_count = ent_count_reg;

    always @(posedge clk) begin
        if (ent_ready) ent_valid_reg <= 1'b0;
        if (take && !complete && s_pool_last) begin
            data_reg  <= data;
            count_reg <= count;
            pos_reg   <= pos_reg + 1'b1;
        end
        if (take && complete) begin
            ent_valid_reg <= 1'b1;
            ent_slot_reg  <= s_slot;
            ent_addr_reg  <= addr;
            ent_data_reg  <= entry;
            ent_count_reg <= cfg_readout ? {COUNT_W{1'b0}} : count;
            addr_reg      <= addr + 1'b1;
            first_reg     <= s_last;
        end
        if (rst || (take && complete)) begin
            data_reg  <= {(SLICE_W*T){1'b0}};
            count_reg <= {COUNT_W{1'b0}};
            pos_reg   <= {POS_W{1'b0}};
        end
        if (rst) begin
            first_reg     <= 1'b1;
            ent_valid_reg <= 1'b0;
        end
    end

endmodule

`resetall
