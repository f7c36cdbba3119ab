#include "jit/llvm/compiler.h"

#include <fmt/format.h>
#include <llvm/Analysis/CGSCCPassManager.h>
#include <llvm/Analysis/LoopAnalysisManager.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/Orc/CompileUtils.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>
#include <chrono>

#include "core/base/bits.h"
#include "jit/llvm/gdb_entry.h"
#include "jit/llvm/layout.h"
#include "jit/llvm/lifter.h"

namespace tandem::jit {

namespace orc = llvm::orc;
namespace jitlink = llvm::jitlink;

namespace {

constexpr const char* kName = "region";  // of functions that may be stored: the code may be anywhere

// As LLVM names them, in the order in which they run.
constexpr const char* kPasses[] = {"sroa",
                                   "early-cse",
                                   "instcombine<no-verify-fixpoint>",
                                   "simplifycfg",
                                   "gvn",
                                   "loop-simplify,lcssa,loop-mssa(licm)",
                                   "instcombine<no-verify-fixpoint>",
                                   "sink",
                                   "adce",
                                   "simplifycfg"};

class Timer {
 public:
  explicit Timer(StepFigure& figure) : figure_(figure), start_(std::chrono::steady_clock::now()) {}
  ~Timer() {
    figure_.ns += static_cast<u64>((std::chrono::steady_clock::now() - start_).count());
    ++figure_.runs;
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  StepFigure& figure_;
  std::chrono::steady_clock::time_point start_;
};

// Guest code has been through a compiler: its loops count by what its addresses need. Loop strength reduction
// makes a counter of its own of every sum that some way out wants.
void keep_loop_counters() {
  constexpr const char* kOption = "disable-lsr";
  const auto& options = llvm::cl::getRegisteredOptions();
  if (const auto it = options.find(kOption); it != options.end())
    static_cast<llvm::cl::opt<bool>*>(it->second)->setValue(true);
}

std::string message_of(llvm::Error error) { return llvm::toString(std::move(error)); }

std::string text_of(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream out(text);
  module.print(out, nullptr);
  return text;
}

// The first error of a context: it would end the process otherwise.
void note_error(const llvm::DiagnosticInfo* info, void* to) {
  std::string& problem = *static_cast<std::string*>(to);
  if (info->getSeverity() != llvm::DS_Error || !problem.empty()) return;
  llvm::raw_string_ostream out(problem);
  llvm::DiagnosticPrinterRawOStream printer(out);
  info->print(printer);
}

// What is linked, and what becomes of it.
struct Linking {
  CompiledRegion& region;
  std::string name;  // of its function
  SectionPlaces places;
};

// Keeps kRefusals, which nothing refers to, and reads it when the code is in place.
class LinkObserver final : public orc::ObjectLinkingLayer::Plugin {
 public:
  explicit LinkObserver(Linking*& to) : to_(to) {}

  void modifyPassConfig(orc::MaterializationResponsibility&, jitlink::LinkGraph&,
                        jitlink::PassConfiguration& passes) override {
    passes.PrePrunePasses.push_back([](jitlink::LinkGraph& graph) {
      if (auto* const section = graph.findSectionByName(kRefusals))
        for (jitlink::Block* block : section->blocks())
          graph.addAnonymousSymbol(*block, 0, block->getSize(), /*IsCallable=*/false, /*IsLive=*/true);
      return llvm::Error::success();
    });
    passes.PostFixupPasses.push_back([this](jitlink::LinkGraph& graph) {
      look(graph);
      return llvm::Error::success();
    });
  }
  llvm::Error notifyFailed(orc::MaterializationResponsibility&) override { return llvm::Error::success(); }
  llvm::Error notifyRemovingResources(orc::JITDylib&, orc::ResourceKey) override {
    return llvm::Error::success();
  }
  void notifyTransferringResources(orc::JITDylib&, orc::ResourceKey, orc::ResourceKey) override {}

 private:
  void look(jitlink::LinkGraph& graph) {
    for (jitlink::Symbol* symbol : graph.defined_symbols())
      if (symbol->hasName() && symbol->getName() == to_->name) to_->region.code_bytes = symbol->getSize();
    for (jitlink::Section& section : graph.sections())
      to_->places[section.getName().str()] = jitlink::SectionRange(section).getStart().getValue();
    auto* const section = graph.findSectionByName(kRefusals);
    if (!section) return;
    for (jitlink::Block* block : section->blocks()) {
      const llvm::ArrayRef<char> content = block->getContent();
      const u64 at = block->getAddress().getValue();
      const auto place = [&](std::size_t i) {
        const auto* const field = reinterpret_cast<const u8*>(content.data()) + i;
        return at + i + static_cast<u64>(static_cast<i64>(static_cast<i32>(load_le<u32>(field))));
      };
      for (std::size_t i = 0; i + 8 <= content.size(); i += 8)
        to_->region.refusals.push_back({place(i), place(i + 4)});
    }
  }

  Linking*& to_;
};

// Hashes are no proof.
bool stands_for(const RegionOutline& outline, const RegionPlan& plan) {
  const RegionOutline wanted = outline_of(plan, outline.key);
  return outline.settings == wanted.settings && outline.blocks == wanted.blocks;
}

template <class F>
auto timed(StepFigure& figure, F f) {
  const Timer timer(figure);
  return f();
}

class OrcCompiler final : public RegionCompiler {
 public:
  explicit OrcCompiler(std::shared_ptr<RegionStore> store) : store_(std::move(store)) {}

  Result<void> start() {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
    keep_loop_counters();
    auto host = orc::JITTargetMachineBuilder::detectHost();
    if (!host) return host_error(message_of(host.takeError()));
    host->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
    auto machine = host->createTargetMachine();
    if (!machine) return host_error(message_of(machine.takeError()));
    machine_ = std::move(*machine);
    orc::LLJITBuilder builder;
    builder.setJITTargetMachineBuilder(std::move(*host));
    builder.setObjectLinkingLayerCreator([this](orc::ExecutionSession& session, const llvm::Triple&) {
      auto layer = std::make_unique<orc::ObjectLinkingLayer>(session);
      layer->addPlugin(std::make_shared<LinkObserver>(linking_));
      return llvm::Expected<std::unique_ptr<orc::ObjectLayer>>(std::move(layer));
    });
    auto jit = builder.create();
    if (!jit) return host_error(message_of(jit.takeError()));
    jit_ = std::move(*jit);
    return {};
  }

  Result<CompiledRegion> compile(const RegionPlan& plan, const Layout& layout,
                                 RegionObserver* observer) override {
    CompiledRegion region;
    std::optional<StoredRegion> stored = load(plan);
    region.was_stored = stored.has_value();
    const bool for_gdb = observer && observer->wants_gdb();
    const std::string name = for_gdb ? region_name(plan) : kName;
    if (!stored) {
      TANDEM_TRY_ASSIGN(made, make(plan, layout, name, observer));
      if (store_) timed(figures_["store"], [&] { store_->add(made); });
      stored = std::move(made);
    }
    region.key = stored->outline.key;
    region.exits = std::move(stored->exits);
    region.vectors = stored->vectors;
    region.verdict = stored->outline.verdict;
    const Timer timer(figures_["link"]);
    Linking linking{region, name, {}};
    TANDEM_TRY(link(stored->object, linking));
    if (for_gdb) add_gdb_entry(std::move(stored->object), linking);
    if (observer) observer->compiled(plan, region);
    return region;
  }
  const StepFigures& figures() const override { return figures_; }

 private:
  std::optional<StoredRegion> load(const RegionPlan& plan) {
    if (!store_) return {};
    const Timer timer(figures_["load"]);
    if (plan.stored)
      if (auto found = store_->find(*plan.stored); found && stands_for(found->outline, plan)) return found;
    auto found = store_->find(key_of(plan));
    return found && stands_for(found->outline, plan) ? std::move(found) : std::nullopt;
  }

  Result<StoredRegion> make(const RegionPlan& plan, const Layout& layout, const std::string& name,
                            RegionObserver* observer) {
    LiftedRegion lifted = timed(figures_["lift"], [&] { return lift(plan, layout, name); });
    llvm::Function& function = *lifted.module->getFunction(name);
    if (observer && observer->wants_gdb()) function.setUWTableKind(llvm::UWTableKind::Async);
    lifted.module->setDataLayout(machine_->createDataLayout());
    lifted.module->setTargetTriple(machine_->getTargetTriple().str());
    const bool text = observer && observer->wants_ir();
    if (text) observer->lifted(text_of(*lifted.module));
    std::string problem;
    lifted.context->setDiagnosticHandlerCallBack(note_error, &problem);
    llvm::raw_string_ostream out(problem);
    if (llvm::verifyModule(*lifted.module, &out)) return host_error("jit: llvm: " + problem);
    optimise(function);
    if (text) observer->optimised(text_of(*lifted.module));
    const Timer timer(figures_["code"]);
    auto object = orc::SimpleCompiler(*machine_)(*lifted.module);
    if (!object) return host_error("jit: llvm: " + message_of(object.takeError()));
    if (!problem.empty()) return host_error("jit: llvm: " + problem);
    StoredRegion region{.outline = outline_of(plan, key_of(plan)), .object = {}, .exits = {}, .vectors = {}};
    const llvm::StringRef bytes = (*object)->getBuffer();
    region.object.assign(bytes.bytes_begin(), bytes.bytes_end());
    region.exits = std::move(lifted.exits);
    region.vectors = lifted.vectors;
    return region;
  }

  void optimise(llvm::Function& function) {
    llvm::PassBuilder builder(machine_.get());
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager components;
    llvm::ModuleAnalysisManager modules;
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);
    for (const char* name : kPasses) {
      llvm::FunctionPassManager pass;
      llvm::cantFail(builder.parsePassPipeline(pass, name));
      const Timer timer(figures_[name]);
      functions.invalidate(function, pass.run(function, functions));
    }
  }

  Result<void> link(const std::vector<u8>& object, Linking& linking) {
    CompiledRegion& region = linking.region;
    linking_ = &linking;
    auto dylib = jit_->createJITDylib(fmt::format("region{}", ++count_));
    if (!dylib) return host_error("jit: llvm: " + message_of(dylib.takeError()));
    orc::JITDylib* const where = &*dylib;
    region.memory = std::shared_ptr<void>(where, [jit = jit_](void* p) {
      llvm::consumeError(jit->getExecutionSession().removeJITDylib(*static_cast<orc::JITDylib*>(p)));
    });
    const llvm::StringRef bytes(reinterpret_cast<const char*>(object.data()), object.size());
    if (llvm::Error error =
            jit_->addObjectFile(*where, llvm::MemoryBuffer::getMemBufferCopy(bytes, linking.name)))
      return host_error("jit: llvm: " + message_of(std::move(error)));
    auto symbol = jit_->lookup(*where, linking.name);
    if (!symbol) return host_error("jit: llvm: " + message_of(symbol.takeError()));
    region.run = symbol->toPtr<CompiledRegion::Function>();
    region.code = reinterpret_cast<const u8*>(symbol->getValue());
    std::ranges::sort(region.refusals, {}, &Refusal::pc);
    return {};
  }

  // For as long as the code.
  static void add_gdb_entry(std::vector<u8> object, const Linking& linking) {
    struct Both {
      std::shared_ptr<void> code;
      GdbEntry entry;
    };
    std::shared_ptr<void>& memory = linking.region.memory;
    memory = std::shared_ptr<Both>(new Both{std::move(memory), {std::move(object), linking.places}});
  }

  std::shared_ptr<RegionStore> store_;
  std::unique_ptr<llvm::TargetMachine> machine_;
  Linking* linking_ = nullptr;
  std::shared_ptr<orc::LLJIT> jit_;
  u64 count_ = 0;
  StepFigures figures_;
};

}  // namespace

std::string region_name(const RegionPlan& plan) {
  u64 bytes = 0;
  for (const PlanBlock& block : plan.blocks) bytes += block.bytes.size();
  return fmt::format("region_{:x}_{}_bytes", plan.blocks[0].rip, bytes);
}

Result<std::unique_ptr<RegionCompiler>> RegionCompiler::create(std::shared_ptr<RegionStore> store) {
  auto compiler = std::make_unique<OrcCompiler>(std::move(store));
  TANDEM_TRY(compiler->start());
  return std::unique_ptr<RegionCompiler>(std::move(compiler));
}

}  // namespace tandem::jit
