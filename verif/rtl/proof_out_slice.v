// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Legal inputs for the proofs of verif/mutant_proof.py about loas_out_slice (sizes of `small` in verif/mutants.toml).
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Every input is free, but for what the contract says of pooled tasks: they have the same columns, at most POOL_COLS;
// the first one has s_pool_first, the last one s_pool_last. Outputs are zero where they mean nothing.
module harness (
    input  wire        clk,
    input  wire        rst,
    input  wire        cfg_readout,
    input  wire        cfg_drop_once,
    input  wire        s_valid,
    output wire        s_ready,
    input  wire [3:0]  s_word,
    input  wire [31:0] s_value,
    input  wire        s_last,
    input  wire        s_pool_last,
    input  wire [1:0]  s_slot,
    input  wire [3:0]  s_out_addr,
    output wire        ent_valid,
    input  wire        ent_ready,
    output wire [1:0]  ent_slot,
    output wire [3:0]  ent_addr,
    output wire [31:0] ent_data,
    output wire [2:0]  ent_count
);

    reg       begun_reg;      // there was a rst
    reg       later_reg;      // the task at hand is not the first of its group
    reg       inside_reg;     // behind its first column
    reg       last_reg;       // it is the last of its group
    reg [1:0] col_reg;
    reg [1:0] cols_reg;       // last column of the tasks of the group

    wire       valid = s_valid && begun_reg;
    wire       ready;
    wire       pool_last = inside_reg ? last_reg : s_pool_last;
    wire       alone = !later_reg && pool_last;
    wire       last = later_reg ? col_reg == cols_reg : s_last || (!alone && col_reg == 2'd3);
    wire       take = valid && ready;
    wire [1:0] slot;
    wire [3:0] addr;
    wire [31:0] data;
    wire [2:0] count;

    assign s_ready   = ready && begun_reg;
    assign ent_slot  = ent_valid ? slot : 2'd0;
    assign ent_addr  = ent_valid ? addr : 4'd0;
    assign ent_data  = ent_valid ? data : 32'd0;
    assign ent_count = ent_valid ? count : 3'd0;

    always @(posedge clk) begin
        if (take) begin
            inside_reg <= !last;
            last_reg   <= pool_last;
            col_reg    <= last ? 2'd0 : col_reg + 2'd1;
            if (last) begin
                later_reg <= !pool_last;
                cols_reg  <= col_reg;
            end
        end
        if (rst) begin
            begun_reg  <= 1'b1;
            later_reg  <= 1'b0;
            inside_reg <= 1'b0;
            col_reg    <= 2'd0;
        end
    end

    loas_out_slice dut (
        .clk(clk), .rst(rst), .cfg_readout(cfg_readout), .cfg_drop_once(cfg_drop_once), .s_valid(valid),
        .s_ready(ready),
        .s_word(s_word), .s_value(s_value), .s_last(last), .s_pool_first(!later_reg), .s_pool_last(pool_last),
        .s_slot(s_slot),
        .s_out_addr(s_out_addr), .ent_valid(ent_valid), .ent_ready(ent_ready), .ent_slot(slot), .ent_addr(addr),
        .ent_data(data),
        .ent_count(count)
    );

endmodule

`resetall
