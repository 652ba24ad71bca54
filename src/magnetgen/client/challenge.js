// Forms with a challenge: nothing is sent before there is a fresh answer. `solvers`, from the files that stand before
// this one in the page, says how each kind is answered: (form, what data-mg-challenge says) gives an object of
//   start(): begins to look for an answer; called again, it changes nothing while that answer is fresh
//   ready(): whether the form holds a fresh answer
//   done: a promise that ends with the search, whether there is an answer or not
//   spent(): the answer was sent and is worth nothing any more
// The form's own script, which comes before this one, sends as it always does.
for(let form of document.querySelectorAll("form[data-mg-challenge]")){
  let asked=form.getAttribute("data-mg-challenge"),solver=solvers[asked]||solvers.mg1,answer=solver(form,asked),waiting,pass,
  button=form.querySelector("button:not([type=button])"),status=form.querySelector("[data-mg-status]"),
  wait=now=>{
    waiting=now;
    if(button){button.disabled=now;button.setAttribute("aria-busy",now);}
    if(status)status.textContent=now?JSON.parse(form.getAttribute("data-words")||"{}").sending||"…":"";
  },
  // A fault that the visitor has to mend is said at once. What only an address's domain has, the script mends.
  faulty=()=>[...form.querySelectorAll("input,select,textarea")].some(c=>!c.validity.valid&&!c.validity.typeMismatch);
  form.addEventListener("focusin",()=>waiting||answer.start());
  // In the capturing phase of the window: before any other listener, the form's script included.
  addEventListener("submit",e=>{
    if(e.target!=form||pass||answer.ready()||faulty())return;
    e.preventDefault();
    e.stopImmediatePropagation();
    if(waiting)return;
    answer.start();
    wait(true);
    answer.done.then(()=>{
      wait(false);
      pass=1;
      form.requestSubmit();
      pass=0;
    });
  },true);
  // The data is taken out of the form only to be sent. Sent once more by the browser, it stays the same.
  form.addEventListener("formdata",()=>setTimeout(answer.spent));
  addEventListener("pageshow",e=>e.persisted&&wait(false));
}
