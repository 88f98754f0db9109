// SPDX-License-Identifier: Apache-2.0
// Copyright LoAS contributors
// Holds two rows of A with their prefix sums: one is joined while the next is loaded.
`resetall
`timescale 1ns / 1ps
`default_nettype none

// Problem: a row of A meets every column of a block, so its masks, words and prefix sums are worth keeping: the sums are
// made once for a row, by one laggy prefix sum while the row comes in, and every column finds them in a RAM.
//
// Contract: rows given at s_* go to banks 0, 1, 0, 1, ... A row waits until its bank is free; `free` (pulse) gives back the
// older bank. Layout of a row: docs/image-format.md. What is there already:
//   mask chunk c of bank b    when complete[b], or ld_valid && ld_bank == b && c < ld_masks
//   prefix sums and words     when complete[b]
// Reads take one cycle and hold (loas_ram). The sums of a mask chunk, BASE_W bits each, number of words of the row in front:
//   LAGGY: of each slice, slice 0 lowest, CHUNK_W / SLICE_W cycles a chunk;  FAST: of the chunk alone, a cycle a chunk.
// Words go on coming in while the sums of the last chunk are made.
// Edges: a header above cfg_chunks * CHUNK_W, or unlike the number of ones of the masks, raises err, with the row's address;
// the row never becomes complete.
module loas_row_buffer #(
    parameter integer T       = 4,
    parameter integer CHUNK_W = 128,
    parameter integer SLICE_W = 16,
    parameter integer K_MAX   = 8192,   // the RAMs hold 2 * K_MAX masks and packed words
    parameter integer LAGGY   = 1,
    parameter integer LINE_W  = 1024
) (
    input  wire                                    clk,
    input  wire                                    rst,

    input  wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      cfg_chunks,   // mask chunks of a row

    input  wire                                    s_valid,
    output wire                                    s_ready,
    input  wire [31:0]                             s_addr,
    input  wire                                    free,

    // lines of the row
    output wire                                    req_valid,
    input  wire                                    req_ready,
    output wire [31:0]                             req_addr,
    input  wire                                    rsp_valid,
    input  wire [LINE_W-1:0]                       rsp_data,

    // what is there
    output wire [1:0]                              complete,
    output wire                                    ld_valid,
    output wire                                    ld_bank,
    output wire [$clog2(K_MAX/CHUNK_W+1)-1:0]      ld_masks,

    // reads
    input  wire                                    mask_rd_en,
    input  wire                                    mask_rd_bank,
    input  wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] mask_rd_chunk,
    output wire [CHUNK_W-1:0]                      mask_rd_data,
    input  wire                                    base_rd_en,
    input  wire                                    base_rd_bank,
    input  wire [(K_MAX > CHUNK_W ? $clog2(K_MAX/CHUNK_W) : 1)-1:0] base_rd_chunk,
    output wire [(LAGGY != 0 ? CHUNK_W/SLICE_W : 1)*$clog2(K_MAX+1)-1:0] base_rd_data,
    input  wire                                    word_rd_en,
    input  wire                                    word_rd_bank,
    input  wire [$clog2(K_MAX+1)-1:0]              word_rd_index,  // of a word in the row
    output wire [T-1:0]                            word_rd_data,

    output reg                                     err,
    output wire [31:0]                             err_addr
);

    localparam integer WORD_W   = 1 << $clog2(T);
    localparam integer CHUNKS   = K_MAX / CHUNK_W;
    localparam integer CHUNKS_W = $clog2(CHUNKS + 1);
    localparam integer CHUNK_AW = CHUNKS > 1 ? $clog2(CHUNKS) : 1;
    localparam integer BASE_W   = $clog2(K_MAX + 1);
    localparam integer WORDS    = CHUNK_W / WORD_W;                        // packed words of a chunk, at least 2
    localparam integer WORDS_B  = $clog2(WORDS);
    localparam integer WORD_AW  = CHUNKS * WORD_W > 1 ? $clog2(CHUNKS * WORD_W) : 1;
    localparam integer IDX_W    = WORD_AW + 1;                             // counts word chunks, CHUNKS * WORD_W at most
    localparam integer BASES_W  = (LAGGY != 0 ? CHUNK_W / SLICE_W : 1) * BASE_W;
    localparam integer LINE_B   = $clog2(LINE_W / 8);
    localparam integer CHUNK_B  = $clog2(CHUNK_W / 8);
    localparam integer PLACES   = LINE_W / CHUNK_W;

    localparam [1:0] HEADER = 2'd0, MASKS = 2'd1, WORDS_IN = 2'd2, SUMS = 2'd3;

    reg                 busy_reg;
    reg [1:0]           phase_reg;
    reg [IDX_W-1:0]     idx_reg;         // chunk of the phase
    reg [IDX_W-1:0]     word_chunks_reg;
    reg [BASE_W-1:0]    count_reg;       // words, as the header says
    reg [1:0]           used_reg;        // banks
    reg [1:0]           complete_reg;
    reg                 bank_reg;        // to be loaded, or being loaded
    reg                 old_reg;         // the older bank
    reg [31:0]          row_addr_reg;
    reg [CHUNKS_W-1:0]  summed_reg;      // mask chunks whose sums are in the RAM

    // --------------------------------------------------------------------------------------------------- lines to chunks
    reg               line_valid_reg;
    reg               asked_reg;
    reg [LINE_W-1:0]  line_reg;
    reg [31-LINE_B:0] line_num_reg;      // next line
    wire [CHUNK_W-1:0] chunk;
    wire              place_end;

    wire sum_ready;
    wire take       = line_valid_reg && (phase_reg != MASKS || sum_ready);
    wire take_mask  = take && phase_reg == MASKS;
    wire take_word  = take && phase_reg == WORDS_IN;
    wire last_mask  = take_mask && idx_reg[CHUNKS_W-1:0] + 1'b1 == cfg_chunks;
    wire last_word  = take_word && idx_reg + 1'b1 == word_chunks_reg;
    wire no_words   = word_chunks_reg == {IDX_W{1'b0}};
    wire last_chunk = last_word || (last_mask && no_words);

    assign s_ready   = !busy_reg && !used_reg[bank_reg];
    assign req_valid = busy_reg && !line_valid_reg && !asked_reg && phase_reg != SUMS;
    assign req_addr  = {line_num_reg, {LINE_B{1'b0}}};

    generate
        if (PLACES > 1) begin : gen_part
            reg [LINE_B-CHUNK_B-1:0] place_reg;
            assign place_end = &place_reg;
            assign chunk     = line_reg[place_reg*CHUNK_W +: CHUNK_W];
            always @(posedge clk) begin
                if (s_valid && s_ready) place_reg <= s_addr[LINE_B-1:CHUNK_B];
                else if (take) place_reg <= place_reg + 1'b1;
            end
        end else begin : gen_whole
            assign place_end = 1'b1;
            assign chunk     = line_reg;
        end
    endgenerate

    always @(posedge clk) begin
        if (rsp_valid) line_reg <= rsp_data;
        if (s_valid && s_ready) line_num_reg <= s_addr[31:LINE_B];
        else if (req_valid && req_ready) line_num_reg <= line_num_reg + 1'b1;
        if (req_valid && req_ready) asked_reg <= 1'b1;
        else if (rsp_valid) asked_reg <= 1'b0;
        if (rsp_valid) line_valid_reg <= 1'b1;
        else if (take && (place_end || last_chunk)) line_valid_reg <= 1'b0;
        if (rst) begin
            asked_reg      <= 1'b0;
            line_valid_reg <= 1'b0;
        end
    end

    // -------------------------------------------------------------------------------------------------------- the phases
    wire [31:0]       header     = chunk[31:0];
    wire [31:0]       most       = {{(32-CHUNKS_W){1'b0}}, cfg_chunks} << $clog2(CHUNK_W);
    wire              header_bad = header > most;
    wire [BASE_W+1:0] rounded    = {2'b00, header[BASE_W-1:0]} + (WORDS[BASE_W+1:0] - 1'b1);
    wire [BASE_W-1:0] total;
    wire              sums_done  = phase_reg == SUMS && summed_reg == cfg_chunks;
    wire              good       = total == count_reg;
    wire              sum_wr;

    assign complete = complete_reg;
    assign ld_valid = busy_reg && phase_reg != HEADER;
    assign ld_bank  = bank_reg;
    assign ld_masks = phase_reg == MASKS ? idx_reg[CHUNKS_W-1:0] : cfg_chunks;
    assign err_addr = row_addr_reg;

    always @(posedge clk) begin
        if (s_valid && s_ready) begin
            busy_reg           <= 1'b1;
            phase_reg          <= HEADER;
            used_reg[bank_reg] <= 1'b1;
            row_addr_reg       <= s_addr;
            summed_reg         <= {CHUNKS_W{1'b0}};
        end
        if (sum_wr) summed_reg <= summed_reg + 1'b1;
        if (take) begin
            idx_reg <= phase_reg == HEADER || last_mask ? {IDX_W{1'b0}} : idx_reg + 1'b1;
            if (phase_reg == HEADER) begin
                phase_reg       <= MASKS;
                count_reg       <= header[BASE_W-1:0];
                word_chunks_reg <= rounded[WORDS_B +: IDX_W];
            end else if (last_chunk) begin
                phase_reg <= SUMS;
            end else if (last_mask) begin
                phase_reg <= WORDS_IN;
            end
        end
        if (busy_reg && sums_done && good) begin
            busy_reg               <= 1'b0;
            complete_reg[bank_reg] <= 1'b1;
            bank_reg               <= !bank_reg;
        end
        err <= busy_reg && ((take && phase_reg == HEADER && header_bad) || (sums_done && !good));
        if (free) begin
            used_reg[old_reg]     <= 1'b0;
            complete_reg[old_reg] <= 1'b0;
            old_reg               <= !old_reg;
        end
        if (rst) begin
            busy_reg     <= 1'b0;
            used_reg     <= 2'b00;
            complete_reg <= 2'b00;
            bank_reg     <= 1'b0;
            old_reg      <= 1'b0;
            err          <= 1'b0;
        end
    end

    // ------------------------------------------------------------------------------------------------------- prefix sums
    wire [BASES_W-1:0] bases;

    generate
        if (LAGGY != 0) begin : gen_laggy
            wire sum_busy;
            loas_prefix_laggy #(.W(CHUNK_W), .SLICE_W(SLICE_W), .BASE_W(BASE_W)) prefix_inst (
                .clk        (clk),
                .rst        (rst),
                .start      (take_mask),
                .mask       (chunk),
                .base       (idx_reg == {IDX_W{1'b0}} ? {BASE_W{1'b0}} : total),
                .busy       (sum_busy),
                .done       (sum_wr),
                .slice_base (bases),
                .total      (total)
            );
            assign sum_ready = !sum_busy;
        end else begin : gen_fast
            reg  [BASE_W-1:0]            total_reg;
            wire [$clog2(CHUNK_W+1)-1:0] ones;
            wire [BASE_W:0]              sum = {1'b0, bases} + {{(BASE_W+1-$clog2(CHUNK_W+1)){1'b0}}, ones};
            loas_popcount #(.W(CHUNK_W)) popcount_inst (.in(chunk), .count(ones));
            assign sum_ready = 1'b1;
            assign sum_wr    = take_mask;
            assign bases     = idx_reg == {IDX_W{1'b0}} ? {BASE_W{1'b0}} : total_reg;
            assign total     = total_reg;
            always @(posedge clk) begin
                if (take_mask) total_reg <= sum[BASE_W-1:0];
            end
            wire unused_carry = sum[BASE_W];   // at most K_MAX ones
        end
    endgenerate

    // -------------------------------------------------------------------------------------------------------------- RAMs
    reg  [WORDS_B-1:0] word_reg;         // the word of the chunk
    wire [CHUNK_W-1:0] words;

    loas_ram #(.W(CHUNK_W), .DEPTH(2 << CHUNK_AW)) mask_ram_inst (
        .clk(clk),
        .wr_en(take_mask), .wr_addr({bank_reg, idx_reg[CHUNK_AW-1:0]}), .wr_data(chunk),
        .rd_en(mask_rd_en), .rd_addr({mask_rd_bank, mask_rd_chunk}), .rd_data(mask_rd_data)
    );

    loas_ram #(.W(BASES_W), .DEPTH(2 << CHUNK_AW)) base_ram_inst (
        .clk(clk),
        .wr_en(sum_wr), .wr_addr({bank_reg, summed_reg[CHUNK_AW-1:0]}), .wr_data(bases),
        .rd_en(base_rd_en), .rd_addr({base_rd_bank, base_rd_chunk}), .rd_data(base_rd_data)
    );

    loas_ram #(.W(CHUNK_W), .DEPTH(2 << WORD_AW)) word_ram_inst (
        .clk(clk),
        .wr_en(take_word), .wr_addr({bank_reg, idx_reg[WORD_AW-1:0]}), .wr_data(chunk),
        .rd_en(word_rd_en), .rd_addr({word_rd_bank, word_rd_index[WORDS_B +: WORD_AW]}), .rd_data(words)
    );

    assign word_rd_data = words[word_reg*WORD_W +: T];

    always @(posedge clk) begin
        if (word_rd_en) word_reg <= word_rd_index[WORDS_B-1:0];
    end

    wire unused_ok = &{1'b0, word_rd_index, s_addr, rounded};

endmodule

`resetall
